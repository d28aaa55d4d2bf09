import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger, systemClock, systemRandom } from '@skein/runtime'
import type { PeerStream } from '@skein/runtime'
import { SimulatedNetwork, createSeededRandom } from '@skein/testkit'
import { createSessionCarrier, serveCarriedSessions } from './carried-sessions.ts'
import { accountLimits } from './limits.ts'
import type { Account, CarriedSession } from './ports.ts'
import { SessionTickets } from './session-tickets.ts'

const account: Account = {
  id: 'a'.repeat(32),
  address: 'aaa@test.com',
  displayName: '',
  role: 'user',
  passwordHash: null,
  quotaBytes: 1,
  state: 'active',
  createdMs: 0,
}
const session: CarriedSession = {
  protocol: 'imap',
  remoteAddress: '192.0.2.7',
  secure: true,
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
  opening: 'a1',
}
const elsewhere = { kind: 'elsewhere', account, home: 'home', homeName: 'home.test.com' } as const

/** A home with two other nodes, and a clock for the tickets alone. */
async function makeMesh() {
  const time = { ms: 1_000_000 }
  const tickets = new SessionTickets({ ...systemClock, nowMs: () => time.ms }, systemRandom)
  const network = new SimulatedNetwork(systemClock, createSeededRandom(1), { noticeMaxMs: 1 })
  const [home, edge, other] = ['home', 'edge', 'other'].map((id) => network.join(id))
  assert.ok(home && edge && other)
  const taken: { session: CarriedSession; account: Account; stream: PeerStream }[] = []
  const take = async (it: CarriedSession, whose: Account) => (stream: PeerStream) =>
    void taken.push({ session: it, account: whose, stream })
  serveCarriedSessions(
    {
      streams: home,
      redeem: async (from, protocol, ticket) => (tickets.redeem(from, protocol, ticket) ? account : undefined),
      logger: silentLogger,
    },
    { imap: take, pop3: take },
  )
  while (edge.connected().length + other.connected().length < 4) await new Promise((done) => setTimeout(done, 1))
  return { time, tickets, edge, other, taken, network }
}

test('a session goes to its home with all that the home must know', async () => {
  const { tickets, edge, taken } = await makeMesh()
  const ticket = tickets.issue('edge', account.id, 'imap')
  const stream = await createSessionCarrier({ streams: edge }).carry({ ...elsewhere, ticket }, session)
  assert.equal(taken.length, 1)
  assert.deepEqual(taken[0]?.session, session)
  assert.equal(taken[0].account, account)
  stream.write('a2 NOOP')
  const said = await new Promise<string>((resolve) => {
    taken[0]?.stream.once('data', (data: Buffer) => resolve(data.toString()))
  })
  assert.equal(said, 'a2 NOOP')
})

test('no ticket, a forged one, a used one, a late one, another node or another protocol: refused', async () => {
  const { time, tickets, edge, other, taken } = await makeMesh()
  const refused = { code: 'ticket-refused' }
  const [fromEdge, fromOther] = [edge, other].map((streams) => createSessionCarrier({ streams }))
  assert.ok(fromEdge && fromOther)
  const fresh = () => tickets.issue('edge', account.id, 'imap')
  await assert.rejects(fromEdge.carry(elsewhere, session), { code: 'session-not-carried' })
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: new Uint8Array(0) }, session), refused)
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: systemRandom.bytes(32) }, session), refused)

  const stolen = fresh()
  await assert.rejects(fromOther.carry({ ...elsewhere, ticket: stolen }, session), refused)
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: stolen }, session), refused, 'it was shown already')
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: fresh() }, { ...session, protocol: 'pop3' }), refused)

  const late = fresh()
  time.ms += accountLimits.sessionTicketKeepMs + 1
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: late }, session), refused)

  const used = fresh()
  await fromEdge.carry({ ...elsewhere, ticket: used }, session)
  await assert.rejects(fromEdge.carry({ ...elsewhere, ticket: used }, session), refused)
  assert.equal(taken.length, 1)
})

test('a header without meaning is refused', async () => {
  const { edge, taken } = await makeMesh()
  for (const bytes of ['', '\xf6', '\xa0', '\xa1av\x02', 'not cbor at all']) {
    await assert.rejects(edge.openStream('home', 'proxy', Buffer.from(bytes, 'latin1')))
  }
  assert.equal(taken.length, 0)
})

test('tickets that nobody uses do not pile up', () => {
  const time = { ms: 0 }
  const tickets = new SessionTickets({ ...systemClock, nowMs: () => time.ms }, systemRandom)
  for (let i = 0; i < accountLimits.sessionTicketsMax + 100; i++) tickets.issue('edge', account.id, 'imap')
  assert.equal(tickets.outstanding, accountLimits.sessionTicketsMax)
  time.ms += accountLimits.sessionTicketKeepMs + 1
  tickets.issue('edge', account.id, 'imap')
  assert.equal(tickets.outstanding, 1)
})
