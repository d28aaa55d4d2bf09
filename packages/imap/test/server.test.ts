// What the server does for all its clients together: limits, slow readers, failures behind it, stopping.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { SkeinError, silentLogger, systemClock, systemRandom } from '@skein/runtime'
import type { LogFields, Logger } from '@skein/runtime'
import { capabilityList } from '../src/capabilities.ts'
import { isLoopback } from '../src/connection.ts'
import { createImapServer, imapLimits } from '../src/index.ts'
import { TestClient } from './client.ts'
import { authenticator, startHarness, testTls } from './harness.ts'
import { letterNamed } from './letters.ts'

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1000, what)
    await setTimeout(5)
  }
}

function recordingLogger(): { logger: Logger; errors: LogFields[] } {
  const errors: LogFields[] = []
  const logger: Logger = { ...silentLogger, error: (fields) => void errors.push(fields), child: () => logger }
  return { logger, errors }
}

// RFC 9051 §6.2.3
// capability: imap LOGINDISABLED
test('passwords are told only under TLS or from this machine', () => {
  const shared = { limits: imapLimits, compressed: false, mayUnauthenticate: true, sharing: true }
  const facts = { state: { kind: 'not-authenticated' }, ...shared } as const
  const clear = capabilityList({
    ...facts,
    secure: false,
    loginAllowed: false,
    mechanisms: () => ['PLAIN', 'LOGIN'],
  }).split(' ')
  assert.ok(
    clear.includes('LOGINDISABLED') && clear.includes('STARTTLS') && !clear.some((name) => name.startsWith('AUTH=')),
  )
  const secure = capabilityList({
    ...facts,
    secure: true,
    loginAllowed: true,
    mechanisms: () => ['PLAIN', 'LOGIN'],
  }).split(' ')
  assert.ok(!secure.includes('LOGINDISABLED') && !secure.includes('STARTTLS') && secure.includes('AUTH=PLAIN'))
  assert.deepEqual(
    ['127.0.0.1', '127.0.0.135', '::1', '::ffff:127.0.0.1', '10.0.0.1', '::ffff:10.0.0.1', '1127.0.0.1'].map(
      isLoopback,
    ),
    [true, true, true, true, false, false, false],
  )
})

test('a slow reader holds a bounded part of its message, and nobody else', async () => {
  await using harness = await startHarness({ quotaBytes: 1e9 })
  const size = 40 * 1024 * 1024
  const letter = Buffer.alloc(size, 'A letter that is long.\r\n')
  await harness.deliver('INBOX', letter)
  let read = 0
  const { stream } = harness.log
  harness.log.stream = async function* (...args) {
    for await (const chunk of stream.apply(harness.log, args)) {
      read += chunk.length
      yield chunk
    }
  }
  await using slow = await TestClient.selected(harness.port)
  slow.socket.pause()
  const tag = slow.send('FETCH 1 BODY.PEEK[]')
  await using other = await TestClient.selected(harness.port)
  await until(() => read > imapLimits.writeBufferBytesMax, 'the answer begins')
  for (let count = 0; count < 20; count++) assert.match((await other.run('NOOP')).status, /^OK/)
  // What the kernel takes for both ends is not ours to bound; far less than the message all the same.
  assert.ok(read < size / 2, `${read} bytes were read ahead`)
  slow.socket.resume()
  const { untagged, status } = await slow.answer(tag)
  assert.match(status, /^OK/)
  const head = `* 1 FETCH (BODY[] {${size}}\r\n`
  const [answer = ''] = untagged
  assert.ok(answer.startsWith(head))
  assert.ok(Buffer.from(answer.slice(head.length, -1), 'latin1').equals(letter))
})

test('a client that takes nothing at all is cut off', async () => {
  await using harness = await startHarness({ quotaBytes: 1e9, limits: { writeStallTimeoutMs: 50 } })
  await harness.deliver('INBOX', Buffer.alloc(40 * 1024 * 1024, 'x'))
  await using slow = await TestClient.selected(harness.port)
  slow.socket.pause()
  slow.send('FETCH 1 BODY.PEEK[]')
  await until(() => harness.server.connections() === 0, 'the connection ends')
})

test('a long search lets others have their turn', async () => {
  await using harness = await startHarness({ quotaBytes: 1e9 })
  const inbox = harness.account.byName('INBOX')
  assert(inbox !== undefined)
  const bytes = letterNamed('plain')
  const blob = await harness.log.append([bytes])
  const messages = Array.from({ length: 5000 }, () => ({ blob, bytes, flags: [], internalDateMs: 0 }))
  await harness.account.append(inbox.id, messages)
  await using busy = await TestClient.selected(harness.port)
  await using other = await TestClient.selected(harness.port)
  const tag = busy.send('SEARCH TEXT "not there"')
  let searching = true
  const searched = busy.answer(tag).finally(() => {
    searching = false
  })
  await other.run('NOOP')
  assert.ok(searching, 'NOOP is answered while the search goes on')
  assert.deepEqual((await searched).untagged, ['* SEARCH'])
})

test('an error that nobody foresaw is told as SERVERBUG, logged, and the connection goes on', async () => {
  const { logger, errors } = recordingLogger()
  await using harness = await startHarness({ logger })
  const { mailboxes } = harness
  const broken = {
    ...mailboxes,
    async open(id: string) {
      const account = await mailboxes.open(id)
      account.list = () => {
        throw new TypeError('a private detail')
      }
      account.subscribe = () => Promise.reject(new SkeinError('strange', 'temporary', 'come again', new Error('cause')))
      return account
    },
  }
  const parts = { clock: systemClock, random: systemRandom, logger, tls: testTls(), log: harness.log }
  const server = createImapServer({ ...parts, mailboxes: broken, authenticator })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'starttls' })
  {
    await using client = await TestClient.loggedIn(port)
    assert.match((await client.run('LIST "" *')).status, /^NO \[SERVERBUG\] (?!.*private)/)
    assert.equal((await client.run('SUBSCRIBE INBOX')).status, 'NO [UNAVAILABLE] come again')
    assert.match((await client.run('NOOP')).status, /^OK/)
    assert.equal(errors.length, 2)
  }
  await server.close({ drainMs: 0 })
})

test('a damaged message is left out and told, the others come', async () => {
  await using harness = await startHarness()
  for (let count = 0; count < 3; count++) await harness.deliver('INBOX', `Subject: ${count}\r\n\r\n${count}`)
  const inbox = harness.account.byName('INBOX')
  const blob = (await harness.account.messages(inbox?.id ?? ''))[1]?.blob
  assert(blob !== undefined)
  harness.log.damage(blob)
  await using client = await TestClient.selected(harness.port)
  const { untagged, status } = await client.run('UID FETCH 1:3 BODY.PEEK[TEXT]')
  assert.match(status, /^NO \[CORRUPTION\]/)
  assert.deepEqual(untagged, ['* 1 FETCH (UID 1 BODY[TEXT] {1}\r\n0)', '* 3 FETCH (UID 3 BODY[TEXT] {1}\r\n2)'])
})

test('a message that cannot be written is refused, what was written is let go, and the connection goes on', async () => {
  const { logger, errors } = recordingLogger()
  await using harness = await startHarness({ logger })
  await using client = await TestClient.loggedIn(harness.port)
  harness.log.failAppends(new SkeinError('disk-full', 'temporary', 'the disk is full'))
  assert.equal((await client.run('APPEND INBOX {3+}\r\nabc')).status, 'NO [UNAVAILABLE] the disk is full')
  harness.log.failAppends(undefined)
  assert.match((await client.run('APPEND INBOX {3+}\r\nabc')).status, /^OK/)
  assert.match((await client.run('APPEND INBOX {3+}\r\nabc (\\Strange) {3+}\r\ndef')).status, /^BAD/)
  await until(() => harness.log.released.length === 1, 'the first message is let go')
  assert.equal(errors.length, 0)
  const { untagged } = await client.run('STATUS INBOX (MESSAGES)')
  assert.deepEqual(untagged, ['* STATUS INBOX (MESSAGES 1)'])
})

test('a connection that breaks within a message leaves nothing behind', async () => {
  await using harness = await startHarness()
  {
    await using client = await TestClient.loggedIn(harness.port)
    client.send('APPEND INBOX {3+}\r\nabc {1000+}\r\nonly this much')
  }
  await until(() => harness.log.released.length === 1, 'the whole message is let go')
  assert.equal(harness.account.byName('INBOX')?.messages, 0)
})

test('a message goes in and comes out byte for byte, whatever the chunks', async () => {
  await using harness = await startHarness({ quotaBytes: 1e9 })
  await using client = await TestClient.selected(harness.port)
  const letter = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 256))
  client.socket.write(`x APPEND INBOX {${letter.length}+}\r\n`)
  for (let at = 0; at < letter.length; at += 9973) {
    client.socket.write(letter.subarray(at, at + 9973))
    if (at % 5 === 0) await setTimeout(1)
  }
  client.socket.write('\r\n')
  assert.match((await client.answer('x')).status, /^OK \[APPENDUID/)
  const { untagged } = await client.run('FETCH 1 BODY.PEEK[]')
  const body = untagged[0]?.slice(`* 1 FETCH (BODY[] {${letter.length}}\r\n`.length, -1) ?? ''
  assert.ok(Buffer.from(body, 'latin1').equals(letter))
})

test('an account that may not go on is shown out of all its sessions, and nobody else is', async () => {
  await using harness = await startHarness()
  await using stranger = await TestClient.open(harness.port)
  await using selected = await TestClient.selected(harness.port)
  await using idle = await TestClient.selected(harness.port)
  idle.send('IDLE')
  assert.equal(await idle.response(), '+ idling')
  harness.server.dismiss('bbb@test.com')
  harness.server.dismiss('aaa@test.com')
  for (const client of [selected, idle]) {
    assert.equal(await client.response(), '* BYE This account was changed by an administrator')
    assert.equal(await client.response(), undefined)
  }
  assert.equal((await stranger.run('NOOP')).status, 'OK Nothing done')
})

test('stopping says BYE to everyone and waits for what is running', async () => {
  await using harness = await startHarness()
  await using quiet = await TestClient.open(harness.port)
  await using idle = await TestClient.selected(harness.port)
  await using writing = await TestClient.loggedIn(harness.port)
  idle.send('IDLE')
  assert.equal(await idle.response(), '+ idling')
  writing.send('APPEND INBOX {1000}')
  assert.equal(await writing.response(), '+ OK')
  await harness.server.close({ drainMs: 1000 })
  for (const client of [quiet, idle, writing]) {
    assert.equal(await client.response(), '* BYE The server is stopping')
    assert.equal(await client.response(), undefined)
  }
  assert.equal(harness.server.connections(), 0)
  await assert.rejects(TestClient.open(harness.port))
})

test('a TLS handshake that fails ends only itself', async () => {
  await using harness = await startHarness()
  await using rude = new TestClient(createConnection(harness.tlsPort, '127.0.0.1'))
  rude.socket.write('a1 LOGIN aaa secret\r\n')
  await until(() => rude.ended, 'the connection ends')
  await using client = await TestClient.loggedIn(harness.port)
  assert.match((await client.run('NOOP')).status, /^OK/)
})

test('a new certificate is shown to new connections', async () => {
  await using harness = await startHarness()
  let material = testTls().current()
  const listeners = new Set<() => void>()
  const tls = {
    current: () => material,
    onChange(listener: () => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const parts = { clock: systemClock, random: systemRandom, logger: silentLogger, log: harness.log }
  const server = createImapServer({ ...parts, mailboxes: harness.mailboxes, authenticator, tls })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0, mode: 'implicit' })
  const shown = async () => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await shown()
  material = testTls({ fresh: true }).current()
  for (const listener of listeners) listener()
  assert.notEqual(await shown(), before)
  await server.close({ drainMs: 0 })
  assert.equal(listeners.size, 0)
})

// RFC 5464 §4.3
test('annotations: any bytes up to the limit, too big and too many say so', async () => {
  await using harness = await startHarness()
  await using client = await TestClient.loggedIn(harness.port)
  const set = async (entries: string) => (await client.run(`SETMETADATA INBOX (${entries})`)).status
  assert.match(await set('/shared/vendor/x ~{3+}\r\na\0b'), /^OK/)
  const { untagged } = await client.run('GETMETADATA INBOX /shared/vendor/x')
  assert.deepEqual(untagged, ['* METADATA INBOX (/shared/vendor/x ~{3}\r\na\0b)'])
  assert.match(await set(`/shared/comment {65000+}\r\n${'x'.repeat(65_000)}`), /^OK/)
  assert.match(await set(`/shared/comment {65537+}\r\n${'x'.repeat(65_537)}`), /^NO \[METADATA MAXSIZE 65536\]/)
  const refused = await client.run('SETMETADATA INBOX (/shared/comment {65537}')
  assert.match(refused.status, /^NO \[METADATA MAXSIZE 65536\]/)
  const many = Array.from({ length: 101 }, (_, index) => `/private/a${index} "1"`)
  assert.match(await set(many.join(' ')), /^NO \[METADATA TOOMANY\]/)
  assert.match(await set(many.slice(1).join(' ')), /^OK/)
})
