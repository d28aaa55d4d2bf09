// COMPRESS=DEFLATE (RFC 4978): a session in deflate, and what a hostile one costs.
// capability: imap COMPRESS=DEFLATE, UNAUTHENTICATE
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import { TestClient } from './client.ts'
import { startHarness } from './harness.ts'
import type { Harness } from './harness.ts'
import { letterNamed } from './letters.ts'

/** Logged in, with everything after that in deflate; `raw` is what lies below. */
async function compressed(harness: Harness, below?: TestClient): Promise<{ client: TestClient; raw: TestClient }> {
  const raw = below ?? (await TestClient.loggedIn(harness.port))
  assert.match((await raw.run('COMPRESS DEFLATE')).status, /^OK/)
  const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
  const inflate = createInflateRaw({ flush: constants.Z_SYNC_FLUSH })
  raw.socket.removeAllListeners('data')
  deflate.pipe(raw.socket)
  raw.socket.pipe(inflate)
  return { client: new TestClient(Duplex.from({ writable: deflate, readable: inflate })), raw }
}

test('a session goes on in deflate: answers at once, large ones whole, news while it idles', async () => {
  await using harness = await startHarness({ quotaBytes: 1e9 })
  const large = Buffer.from(Array.from({ length: 900_000 }, (_, at) => (at * 7919 * (at >> 9)) % 251))
  await harness.deliver('INBOX', large)
  const { client, raw } = await compressed(harness)
  assert.equal(
    (await client.run('COMPRESS DEFLATE')).status,
    'NO [COMPRESSIONACTIVE] The connection is compressed already',
  )
  assert.doesNotMatch((await client.run('CAPABILITY')).untagged[0] ?? '', /COMPRESS/)
  assert.match((await client.run('SELECT INBOX')).status, /^OK/)
  const { untagged } = await client.run('FETCH 1 BODY.PEEK[]')
  assert.ok(Buffer.from(untagged[0]?.slice(-900_001, -1) ?? '', 'latin1').equals(large))
  const letter = letterNamed('plain').toString('latin1')
  assert.match((await client.run(`APPEND INBOX {${letter.length}+}\r\n${letter}`)).status, /^OK \[APPENDUID/)
  // After the compressor has been put away a fresh one goes on.
  await setTimeout(2_200)
  client.send('IDLE')
  assert.equal(await client.response(), '+ idling')
  await harness.deliver('INBOX', letterNamed('plain'))
  assert.equal(await client.response(), '* 3 EXISTS')
  client.socket.write('DONE\r\n')
  assert.equal(await client.response(), 't5 OK Idled')
  assert.match((await client.run('FETCH 3 BODY.PEEK[TEXT]')).untagged[0] ?? '', /Hello, Bbb\./)
  await harness.server.close({ drainMs: 100 })
  assert.equal(await client.response(), '* BYE The server is stopping')
  raw.socket.destroy()
})

test('deflate lies above TLS', async () => {
  await using harness = await startHarness()
  await harness.deliver('INBOX', letterNamed('plain'))
  const tls = new TestClient(connectTls({ port: harness.tlsPort, host: '127.0.0.1', rejectUnauthorized: false }))
  await tls.response()
  assert.match((await tls.run('LOGIN aaa secret')).status, /^OK/)
  const { client, raw } = await compressed(harness, tls)
  assert.match((await client.run('SELECT INBOX')).status, /^OK/)
  assert.match((await client.run('FETCH 1 BODY.PEEK[TEXT]')).untagged[0] ?? '', /Hello, Bbb\./)
  raw.socket.destroy()
})

test('many small answers are flushed once together', async () => {
  await using harness = await startHarness()
  const { client, raw } = await compressed(harness)
  let bytes = 0
  raw.socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
  const tags = Array.from({ length: 200 }, () => client.send('NOOP'))
  for (const tag of tags) assert.match((await client.answer(tag)).status, /^OK/)
  assert.ok(bytes < 200 * 12, `${bytes} bytes`)
  raw.socket.destroy()
})

test('UNAUTHENTICATE takes the compression off', async () => {
  await using harness = await startHarness()
  const { client, raw } = await compressed(harness)
  assert.match((await client.run('UNAUTHENTICATE')).status, /^OK/)
  raw.socket.unpipe()
  const plain = new TestClient(raw.socket)
  raw.socket.resume()
  assert.match((await plain.run('LOGIN aaa secret')).status, /^OK \[CAPABILITY .*COMPRESS=DEFLATE/)
  raw.socket.destroy()
})

test('what is no deflate stream ends its own connection only', async () => {
  await using harness = await startHarness()
  await using client = await TestClient.loggedIn(harness.port)
  assert.match((await client.run('COMPRESS DEFLATE')).status, /^OK/)
  client.socket.write('a1 NOOP\r\na2 NOOP\r\n')
  for (let tries = 0; harness.server.connections() > 0; tries++) {
    assert.ok(tries < 500, 'the connection ends')
    await setTimeout(5)
  }
  await using other = await TestClient.loggedIn(harness.port)
  assert.match((await other.run('NOOP')).status, /^OK/)
})

test('a bomb is thrown away as it comes', async () => {
  await using harness = await startHarness()
  const { client, raw } = await compressed(harness)
  // 200 MB of one line from 200 KB.
  const line = Buffer.alloc(200_000_000, 'a')
  line.write('b1 SEARCH TEXT ')
  line.write('\r\n', line.length - 2)
  const bomb = deflateRawSync(line, { finishFlush: constants.Z_SYNC_FLUSH })
  assert.ok(bomb.length < 400_000)
  const before = process.memoryUsage().arrayBuffers
  raw.socket.write(bomb)
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers)), 2)
  assert.match((await client.answer('b1')).status, /^BAD/)
  clearInterval(watch)
  assert.ok(most - before < 50_000_000, `${most - before} bytes`)
  assert.match((await client.run('NOOP')).status, /^OK/)
  raw.socket.destroy()
})
