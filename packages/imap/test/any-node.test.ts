// Two IMAP servers joined by a simulated network: whoever logs in at the edge is served by the home.
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'
import { createSessionCarrier, serveCarriedSessions } from '@skein/accounts'
import type { Account, Authenticator } from '@skein/accounts'
import { SkeinError, silentLogger, systemClock } from '@skein/runtime'
import type { LogFields } from '@skein/runtime'
import { SimulatedNetwork, createSeededRandom } from '@skein/testkit'
import type { ImapLimits } from '../src/index.ts'
import { TestClient } from './client.ts'
import { ACCOUNT_ID, PASSWORD, startHarness } from './harness.ts'
import { letterNamed } from './letters.ts'

const account: Account = {
  id: ACCOUNT_ID,
  address: 'aaa@test.com',
  displayName: '',
  role: 'user',
  passwordHash: null,
  quotaBytes: 0,
  state: 'active',
  createdMs: 0,
}

/** Every password but the right one is refused; whoever has that lives at the home. */
const remote: Authenticator = {
  async login({ password }) {
    if (password !== PASSWORD) return { kind: 'refused' }
    return { kind: 'elsewhere', account, home: 'home', homeName: 'home.test.com', ticket: new Uint8Array(32) }
  },
}

async function startPair(options: { home?: Partial<ImapLimits>; edge?: Partial<ImapLimits> } = {}) {
  const network = new SimulatedNetwork(systemClock, createSeededRandom(1), { noticeMaxMs: 5 })
  const home = await startHarness(options.home === undefined ? {} : { limits: options.home })
  const logged: LogFields[] = []
  const homeLink = network.join('home')
  const edgeLink = network.join('edge')
  const host = { streams: homeLink, redeem: async () => account }
  const logger = { ...silentLogger, info: (fields: LogFields) => void logged.push(fields) }
  const nothing = async () => () => {}
  serveCarriedSessions({ ...host, logger }, { imap: home.server.takeSession, pop3: nothing })
  const edge = await startHarness({
    authenticator: remote,
    carrier: createSessionCarrier({ streams: edgeLink }),
    ...(options.edge === undefined ? {} : { limits: options.edge }),
  })
  while (!network.isConnected('edge', 'home') || !network.isConnected('home', 'edge')) await delay(1)
  return {
    network,
    home,
    edge,
    logged,
    async [Symbol.asyncDispose]() {
      await edge[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
      network.crash('edge')
      network.crash('home')
    },
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (condition()) return
    await delay(5)
  }
  assert.fail(`not in time: ${what}`)
}

test('a person at the wrong node works as at home', async () => {
  await using pair = await startPair()
  await pair.home.deliver('INBOX', letterNamed('plain'))
  await using client = await TestClient.open(pair.edge.port)
  assert.match((await client.run('LOGIN aaa wrong')).status, /^NO \[AUTHENTICATIONFAILED\]/)
  const login = await client.run(`LOGIN aaa ${PASSWORD}`)
  assert.match(login.status, /^OK \[CAPABILITY IMAP4rev2 IMAP4rev1 .*\bIDLE\b.*\] Logged in$/)
  assert.deepEqual(login.untagged, [])
  assert.doesNotMatch(login.status, /STARTTLS|AUTH=/)
  assert.match((await client.run('SELECT INBOX')).status, /^OK \[READ-WRITE\]/)
  assert.match((await client.run('FETCH 1 BODY.PEEK[]')).untagged[0] ?? '', /^\* 1 FETCH \(BODY\[\] \{\d+\}/)
  assert.match((await client.run('STARTTLS')).status, /^BAD/)
  assert.match((await client.run(`LOGIN aaa ${PASSWORD}`)).status, /^BAD/)
  client.send('IDLE')
  assert.equal(await client.response(), '+ idling')
  await pair.home.deliver('INBOX', letterNamed('plain'))
  assert.equal(await client.response(), '* 2 EXISTS')
  assert.equal(pair.edge.server.connections(), 1)
  assert.equal(pair.home.server.connections(), 1)
  client.socket.write('DONE\r\n')
  await client.response()
  assert.match((await client.run('LOGOUT')).status, /^OK/)
  assert.equal(await client.response(), undefined)
  await until('both have let go', () => pair.edge.server.connections() + pair.home.server.connections() === 0)
  const { remoteAddress, secure, protocol } = pair.logged[0] ?? {}
  assert.deepEqual({ remoteAddress, secure, protocol }, { remoteAddress: '127.0.0.1', secure: false, protocol: 'imap' })
})

test('what was pipelined behind the login goes to the home, literals included', async () => {
  await using pair = await startPair()
  await using client = await TestClient.open(pair.edge.port)
  const letter = 'Subject: one\r\n\r\nbody\r\n'
  const lines = [
    `a1 LOGIN aaa {${PASSWORD.length}+}`,
    PASSWORD,
    `a2 APPEND INBOX {${letter.length}+}`,
    letter,
    'a3 SELECT INBOX',
    'a4 UID FETCH 1 BODY.PEEK[TEXT]',
    '',
  ]
  const bytes = Buffer.from(lines.join('\r\n'))
  // Cut in the middle of the letter.
  client.socket.write(bytes.subarray(0, 60))
  await delay(20)
  client.socket.write(bytes.subarray(60))
  assert.match((await client.answer('a1')).status, /^OK/)
  assert.match((await client.answer('a2')).status, /^OK \[APPENDUID \d+ 1\]/)
  assert.match((await client.answer('a3')).status, /^OK/)
  assert.match((await client.answer('a4')).untagged[0] ?? '', /body/)
})

test('AUTHENTICATE leads home as LOGIN does', async () => {
  await using pair = await startPair()
  await using client = await TestClient.open(pair.edge.port)
  const plain = Buffer.from(`\0aaa\0${PASSWORD}`).toString('base64')
  assert.match((await client.run(`AUTHENTICATE PLAIN ${plain}`)).status, /^OK \[CAPABILITY/)
  assert.match((await client.run('SELECT INBOX')).status, /^OK/)
})

test('a home that is lost is told as BYE between lines; until it is back the login is answered at once', async () => {
  await using pair = await startPair()
  await using client = await TestClient.selected(pair.edge.port)
  client.send('IDLE')
  await client.response()
  pair.network.partition([['home'], ['edge']])
  assert.match((await client.response()) ?? '', /^\* BYE \[UNAVAILABLE\] /)
  assert.equal(await client.response(), undefined)
  await until('the home has let go', () => pair.home.server.connections() === 0)

  await using again = await TestClient.open(pair.edge.port)
  assert.match(
    (await again.run(`LOGIN aaa ${PASSWORD}`)).status,
    /^NO \[REFERRAL imap:\/\/aaa%40test\.com;AUTH=\*@home\.test\.com\/\]/,
  )
  pair.network.heal()
  await until('the line is whole', () => pair.network.isConnected('edge', 'home'))
  assert.match((await again.run(`LOGIN aaa ${PASSWORD}`)).status, /^OK/)
  assert.match((await again.run('SELECT INBOX')).status, /^OK/)
})

test('a home that is lost within a letter is not told: the letter would go on with it', async () => {
  await using pair = await startPair()
  await pair.home.deliver('INBOX', `Subject: long\r\n\r\n${'x'.repeat(2_000_000)}`)
  await using client = await TestClient.selected(pair.edge.port)
  const parts: Buffer[] = []
  client.socket.removeAllListeners('data')
  client.socket.pause()
  // More than the sockets hold.
  for (let i = 0; i < 10; i++) client.send('FETCH 1 BODY.PEEK[]')
  await delay(50)
  pair.network.partition([['home'], ['edge']])
  await delay(50)
  client.socket.on('data', (data: Buffer) => parts.push(data))
  client.socket.resume()
  await until('the connection is closed', () => client.ended)
  const got = Buffer.concat(parts).toString()
  assert.match(got, /^\* 1 FETCH \(BODY\[\] \{\d+\}\r\n/)
  assert.ok(!got.includes('BYE'), got.slice(-100))
})

test('an edge that is lost leaves nothing half-done at the home', async () => {
  await using pair = await startPair()
  await using client = await TestClient.loggedIn(pair.edge.port)
  client.send('APPEND INBOX {1000}')
  assert.equal(await client.response(), '+ OK')
  client.socket.write('x'.repeat(500))
  await delay(20)
  pair.network.crash('edge')
  await until('the home has let go', () => pair.home.server.connections() === 0)
  const inbox = pair.home.account.byName('INBOX')
  assert.ok(inbox)
  assert.equal((await pair.home.account.messages(inbox.id)).length, 0)
})

test('either server that stops says BYE', async () => {
  for (const which of ['edge', 'home'] as const) {
    await using pair = await startPair()
    await using client = await TestClient.selected(pair.edge.port)
    client.send('IDLE')
    await client.response()
    await pair[which].server.close({ drainMs: 1_000 })
    assert.equal(await client.response(), '* BYE The server is stopping')
    assert.equal(await client.response(), undefined)
    assert.equal(pair[which].server.connections(), 0)
  }
})

test('limits and time-outs of the home hold for carried sessions too', async () => {
  await using pair = await startPair({ home: { connectionsPerAddressMax: 1, idleTimeoutMs: 200 } })
  await using first = await TestClient.loggedIn(pair.edge.port)
  await using second = await TestClient.open(pair.edge.port)
  assert.match(
    (await second.run(`LOGIN aaa ${PASSWORD}`)).status,
    /^NO \[LIMIT\] Too many connections from your address/,
  )
  assert.match((await second.run('NOOP')).status, /^OK/, 'the connection goes on')
  assert.match((await first.response()) ?? '', /^\* BYE Nothing came for too long/)
  assert.match((await second.run(`LOGIN aaa ${PASSWORD}`)).status, /^OK/)
  pair.home.server.dismiss('aaa@test.com')
  assert.match((await second.response()) ?? '', /^\* BYE This account was changed/)
})

test('a slow reader at the edge holds the home back', async () => {
  await using pair = await startPair()
  await pair.home.deliver('INBOX', `Subject: long\r\n\r\n${'x'.repeat(3_000_000)}`)
  await using client = await TestClient.selected(pair.edge.port)
  client.socket.pause()
  const tag = client.send(`FETCH 1 (${'BODY.PEEK[] '.repeat(5)}UID)`)
  await delay(100)
  client.socket.resume()
  assert.match((await client.answer(tag)).status, /^OK/)
})

test('COMPRESS goes from end to end; the edge can say nothing then, and UNAUTHENTICATE is not to be had', async () => {
  await using pair = await startPair()
  await using raw = await TestClient.loggedIn(pair.edge.port)
  assert.doesNotMatch((await raw.run('CAPABILITY')).untagged[0] ?? '', /UNAUTHENTICATE/)
  assert.match((await raw.run('UNAUTHENTICATE')).status, /^BAD/)
  assert.match((await raw.run('COMPRESS DEFLATE')).status, /^OK/)
  const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
  const inflate = createInflateRaw({ flush: constants.Z_SYNC_FLUSH })
  raw.socket.removeAllListeners('data')
  const bytes: Buffer[] = []
  raw.socket.on('data', (chunk: Buffer) => bytes.push(chunk))
  deflate.pipe(raw.socket)
  raw.socket.pipe(inflate)
  const client = new TestClient(Duplex.from({ writable: deflate, readable: inflate }))
  assert.match((await client.run('SELECT INBOX')).status, /^OK/)
  client.send('IDLE')
  assert.equal(await client.response(), '+ idling')
  await pair.home.deliver('INBOX', letterNamed('plain'))
  assert.equal(await client.response(), '* 1 EXISTS')
  pair.network.partition([['home'], ['edge']])
  await until('the connection is closed', () => raw.ended)
  assert.ok(!Buffer.concat(bytes).includes('BYE'))
})

test('an edge may not inject lines by a tag', async () => {
  await using pair = await startPair()
  const session = { protocol: 'imap', remoteAddress: '192.0.2.1', secure: true, tls: '' } as const
  for (const opening of ['', 'a b', 'a\r\n* OK', 'a+']) {
    const taking = pair.home.server.takeSession({ ...session, opening }, account)
    await assert.rejects(taking, (error) => error instanceof SkeinError && error.code === 'bad-session-header')
  }
  assert.equal(pair.home.server.connections(), 0)
})
