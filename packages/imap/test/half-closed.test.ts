// A client that sends everything and closes its half: what it asked for is answered, then the connection ends.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { startHarness } from './harness.ts'

/** All that comes after `sent` and the end of our half; fails where the server does not end its own. */
async function answersTo(port: number, sent: string, secure = false): Promise<string> {
  const socket = secure
    ? connectTls({
        socket: createConnection({ port, host: '127.0.0.1', allowHalfOpen: true }),
        rejectUnauthorized: false,
      })
    : createConnection({ port, host: '127.0.0.1', allowHalfOpen: true })
  let came = ''
  socket.on('data', (chunk: Buffer) => (came += chunk.toString('latin1'))).on('error', () => {})
  await once(socket, secure ? 'secureConnect' : 'connect')
  socket.end(sent)
  await once(socket, 'close', { signal: AbortSignal.timeout(5_000) })
  return came
}

const login = 'a LOGIN aaa secret\r\n'

for (const secure of [false, true]) {
  test(`commands before the end of a client's half are answered, ${secure ? 'under TLS' : 'in clear'}`, async () => {
    await using harness = await startHarness()
    const port = secure ? harness.tlsPort : harness.port
    await harness.deliver('INBOX', 'Subject: x\r\n\r\n' + 'y'.repeat(900_000))
    const came = await answersTo(port, `${login}b SELECT INBOX\r\nc FETCH 1 BODY[]\r\nd NOOP\r\n`, secure)
    assert.match(came, /\r\nc OK [^\r]*\r\nd OK [^\r]*\r\n$/)
    assert.ok(came.length > 900_000)
  })
}

test('what is left unfinished at the end ends the connection', async () => {
  await using harness = await startHarness()
  const unfinished = [
    '',
    'x NOO',
    'x LOGIN {5}\r\n',
    `${login}b APPEND INBOX {50+}\r\nabc`,
    `${login}b SELECT INBOX\r\nc IDLE\r\n`,
  ]
  for (const sent of [...unfinished, 'x STARTTLS\r\n', `${login}b COMPRESS DEFLATE\r\n`])
    await answersTo(harness.port, sent)
  // Within a handshake.
  for (const sent of ['', 'abc']) assert.equal(await answersTo(harness.tlsPort, sent), '')
  for (let tries = 0; harness.server.connections() > 0 && tries < 200; tries++) await new Promise(setImmediate)
  assert.equal(harness.server.connections(), 0)
})
