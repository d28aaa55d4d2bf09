// Who is behind a load balancer: PROXY headers, and that nobody else's word counts.
import assert from 'node:assert/strict'
import { connect as connectTls } from 'node:tls'
import { test } from 'node:test'
import { startServer, WireClient } from './server-fixture.ts'

const header = 'PROXY TCP4 192.0.2.9 198.51.100.2 4660 25\r\n'
const opening = 'EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@test.example>\r\nBDAT 1 LAST\r\nx'
const proxies = { proxyAddresses: ['127.0.0.1'], greetingPauseMs: 0 }

test('a listed address: the header says who comes, in one packet with SMTP or byte by byte', async () => {
  await using there = await startServer('mx', proxies)
  const whole = await there.client()
  whole.write(header + opening)
  const pieces = await there.client()
  for (const byte of header) {
    pieces.write(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  pieces.write(opening)
  for (const client of [whole, pieces]) {
    assert.match(await client.reply(), /^220/)
    assert.match(await client.reply(), /greets \[192\.0\.2\.9\]/)
    assert.match((await client.replies(3)).join('\n'), /taken/)
  }
  assert.deepEqual(
    there.intake.letters.map(({ envelope }) => envelope.source.remoteAddress),
    ['192.0.2.9', '192.0.2.9'],
  )
})

test('before implicit TLS', async () => {
  await using there = await startServer('submissions', proxies)
  const raw = await WireClient.connect(there.port)
  raw.write(header)
  const secure = connectTls({ socket: raw.socket, rejectUnauthorized: false })
  const client = new WireClient(secure)
  assert.match(await client.reply(), /^220/)
  assert.match(await client.command('EHLO x'), /greets \[192\.0\.2\.9\]/)
  client.destroy()
})

test('a listed address without a header is sent away: by what it says, or by its silence', async () => {
  await using there = await startServer('mx', { ...proxies, proxyHeaderTimeoutMs: 50 })
  const talker = await there.client()
  talker.write('EHLO x\r\n')
  await talker.closed()
  assert.equal(talker.unread, '')
  const silent = await there.client()
  silent.write('PROXY TCP4')
  await silent.closed()
  assert.equal(silent.unread, '')
  assert.equal(there.server.connections(), 0)
})

test('an address that is not listed: its header is no more than a strange command', async () => {
  await using there = await startServer('mx')
  const client = await there.client()
  assert.match(await client.reply(), /^220/)
  assert.match(await client.command(header.trim()), /^500/)
  assert.match(await client.command('XCLIENT ADDR=192.0.2.1'), /^502/)
  assert.match(await client.command('XFORWARD ADDR=192.0.2.1'), /^502/)
  assert.match(await client.command('EHLO x'), /greets \[127\.0\.0\.1\]/)
  client.destroy()
})

test('limits by address count who is behind the proxy, not the proxy', async () => {
  await using there = await startServer('mx', { ...proxies, connectionsPerAddressMax: 1, trustedAddresses: [] })
  const first = await there.client()
  first.write(header)
  assert.match(await first.reply(), /^220/)
  const second = await there.client()
  second.write(header)
  await second.closed()
  const other = await there.client()
  other.write(header.replace('192.0.2.9', '192.0.2.10'))
  assert.match(await other.reply(), /^220/)
  first.destroy()
  other.destroy()
})
