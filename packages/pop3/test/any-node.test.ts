// Two POP3 servers joined by a simulated network: whoever logs in at the edge is served by the home.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Account, createSessionCarrier, serveCarriedSessions } from '@skein/accounts'
import { silentLogger, systemClock } from '@skein/runtime'
import { SimulatedNetwork, createSeededRandom } from '@skein/testkit'
import type { Pop3Settings } from '../src/server.ts'
import { accountId, startServer } from './server-fixture.ts'

const homeId = '12D3home'

const account: Account = {
  id: accountId,
  address: 'aaa@test.example',
  displayName: '',
  role: 'user',
  passwordHash: null,
  quotaBytes: 1e9,
  state: 'active',
  createdMs: 0,
}

async function startPair(messages: string[], settings: Partial<Pop3Settings> = {}) {
  const network = new SimulatedNetwork(systemClock, createSeededRandom(1), { noticeMaxMs: 5 })
  const home = await startServer(messages, settings)
  const homeLink = network.join(homeId)
  const edgeLink = network.join('edge')
  const nothing = async () => () => {}
  serveCarriedSessions(
    { streams: homeLink, redeem: async () => account, logger: silentLogger },
    { imap: nothing, pop3: home.server.takeSession },
  )
  const carrier = createSessionCarrier({ streams: edgeLink })
  const edge = await startServer(
    [],
    {},
    {
      // The ticket is the authenticator's business, and tested there.
      carrier: { carry: (outcome, session) => carrier.carry({ ...outcome, ticket: new Uint8Array(32) }, session) },
    },
  )
  while (!network.isConnected('edge', homeId) || !network.isConnected(homeId, 'edge')) await delay(1)
  return {
    network,
    home,
    edge,
    async [Symbol.asyncDispose]() {
      await edge[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
      network.crash('edge')
      network.crash(homeId)
    },
  }
}

/** Says all lines at once and gives what came until the server closed, or until `quietMs` of silence. */
async function talk(socket: Socket, lines: string[], quietMs = 150): Promise<string> {
  let text = ''
  let heardMs = performance.now()
  const hear = (data: Buffer) => {
    text += data.toString('latin1')
    heardMs = performance.now()
  }
  socket.on('data', hear)
  if (lines.length > 0) socket.write(lines.map((line) => `${line}\r\n`).join(''))
  while (!socket.closed && performance.now() - heardMs < quietMs) await delay(5)
  socket.off('data', hear)
  return text
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

test('a person at the wrong node fetches, deletes and quits as at home', async () => {
  await using pair = await startPair(['Subject: one\r\n\r\n.dot\r\n', 'Subject: two\r\n\r\nbody\r\n'])
  const socket = await open(pair.edge.port)
  // All at once: what follows the log-in is the home's.
  const said = await talk(socket, ['USER remote', 'PASS x', 'STAT', 'RETR 1', 'DELE 1', 'STLS', 'QUIT'])
  const lines = said.split('\r\n')
  assert.match(lines[1] ?? '', /^\+OK/)
  assert.equal(lines[2], '+OK 2 messages (44 octets)')
  assert.match(lines[3] ?? '', /^\+OK 2 /)
  assert.match(said, /\r\n\.\.dot\r\n\.\r\n/)
  assert.match(said, /-ERR not in this state\r\n\+OK bye, 1 messages left\r\n$/)
  assert.equal((await pair.home.inbox()).length, 1)
  assert.equal(pair.edge.server.connections(), 0)
  assert.equal(pair.home.server.connections(), 0)
})

test('a broken connection deletes nothing, and AUTH leads home as PASS does', async () => {
  await using pair = await startPair(['Subject: one\r\n\r\nbody\r\n'])
  const socket = await open(pair.edge.port)
  const plain = Buffer.from('\0remote\0x').toString('base64')
  assert.match(await talk(socket, [`AUTH PLAIN ${plain}`, 'DELE 1']), /\+OK 1 messages/)
  const second = await open(pair.edge.port)
  assert.match(await talk(second, ['USER remote', 'PASS x', 'NOOP']), /-ERR \[IN-USE\] .*\r\n-ERR/)
  socket.destroy()
  await delay(50)
  assert.match(await talk(second, ['USER remote', 'PASS x', 'QUIT']), /\+OK 1 messages .*\r\n\+OK bye, 1/)
  assert.equal((await pair.home.inbox()).length, 1)
})

test('a home that is lost is told, and the log-in is refused for now until it is back', async () => {
  await using pair = await startPair(['Subject: one\r\n\r\nbody\r\n'])
  const socket = await open(pair.edge.port)
  await talk(socket, ['USER remote', 'PASS x', 'DELE 1'])
  const rest = talk(socket, [], 1_000)
  pair.network.partition([[homeId], ['edge']])
  assert.match(await rest, /^-ERR \[SYS\/TEMP\] .*\r\n$/)
  const again = await open(pair.edge.port)
  assert.match(await talk(again, ['USER remote', 'PASS x']), /-ERR \[SYS\/TEMP\]/)
  pair.network.heal()
  while (!pair.network.isConnected('edge', homeId)) await delay(1)
  assert.match(await talk(again, ['USER remote', 'PASS x']), /\+OK 1 messages/)
  again.destroy()
})

test('limits and time-outs of the home hold', async () => {
  await using pair = await startPair([], { connectionsPerAddressMax: 1, trustedAddresses: [], idleTimeoutMs: 300 })
  const socket = await open(pair.edge.port)
  await talk(socket, ['USER remote', 'PASS x'])
  const second = await open(pair.edge.port)
  assert.match(await talk(second, ['USER remote', 'PASS x']), /-ERR \[SYS\/TEMP\] too many connections/)
  assert.match(await talk(socket, [], 1_000), /^-ERR no command came in time/)
})

test('either server that stops says so', async () => {
  for (const which of ['edge', 'home'] as const) {
    await using pair = await startPair([])
    const client = await open(pair.edge.port)
    await talk(client, ['USER remote', 'PASS x'], 50)
    const rest = talk(client, [], 1_000)
    await pair[which].server.close({ drainMs: 500 })
    assert.match(await rest, /^-ERR \[SYS\/TEMP\] the server is shutting down/)
  }
})
