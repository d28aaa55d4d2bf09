// capability: imap AUTH=EXTERNAL
// AUTH=EXTERNAL (RFC 4422 appendix A) with a real client certificate, over implicit TLS and STARTTLS.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import type { TlsMaterial } from '@skein/runtime'
import { loneAuthenticator } from '@skein/testkit'
import { ACCOUNT_ID, startHarness, testTls } from './harness.ts'

function makeCertificates(): { authority: string; key: string; cert: string; stranger: { key: string; cert: string } } {
  const directory = mkdtempSync(join(tmpdir(), 'skein-external-'))
  const path = (name: string) => join(directory, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const read = (name: string) => readFileSync(path(name), 'utf8')
  writeFileSync(
    path('ext'),
    'basicConstraints=CA:FALSE\nsubjectAltName=email:aaa@test.com\nextendedKeyUsage=clientAuth\n',
  )
  for (const name of ['ours', 'theirs']) {
    openssl(
      'req',
      '-x509',
      ...fresh,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
      '-keyout',
      path(`${name}.key`),
      '-out',
      path(`${name}.pem`),
    )
    openssl('req', ...fresh, '-subj', '/CN=client', '-keyout', path(`${name}-c.key`), '-out', path('csr'))
    const ca = ['-CA', path(`${name}.pem`), '-CAkey', path(`${name}.key`), '-CAcreateserial', '-extfile', path('ext')]
    openssl('x509', '-req', '-in', path('csr'), ...ca, '-days', '1', '-out', path(`${name}-c.pem`))
  }
  const stranger = { key: read('theirs-c.key'), cert: read('theirs-c.pem') }
  const made = { authority: read('ours.pem'), key: read('ours-c.key'), cert: read('ours-c.pem'), stranger }
  rmSync(directory, { recursive: true })
  return made
}

async function session(port: number, identity: { key?: string; cert?: string }, commands: string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...identity })
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.write([...commands, 'z LOGOUT', ''].join('\r\n'))
  await new Promise((resolve, reject) => socket.once('close', resolve).once('error', reject))
  return text
}

test('a client certificate logs in where it was configured, for its own address', async () => {
  const { authority, key, cert, stranger } = makeCertificates()
  const authenticator = await loneAuthenticator({ id: ACCOUNT_ID, address: 'aaa@test.com' }, 'secret')
  const server = testTls().current()
  const tls: TlsMaterial = { current: () => ({ ...server, clientAuthorities: authority }), onChange: () => () => {} }
  await using harness = await startHarness({ tls, authenticator })
  const right = await session(harness.tlsPort, { key, cert }, ['a AUTHENTICATE EXTERNAL ='])
  assert.match(right, /^\* OK \[CAPABILITY [^\]]*AUTH=EXTERNAL .*\r\na OK \[CAPABILITY /)
  const named = Buffer.from('AAA@test.com').toString('base64')
  assert.match(await session(harness.tlsPort, { key, cert }, [`a AUTHENTICATE EXTERNAL ${named}`]), /\r\na OK /)
  const other = Buffer.from('bbb@test.com').toString('base64')
  const refused = await session(harness.tlsPort, { key, cert }, [`a AUTHENTICATE EXTERNAL ${other}`])
  assert.match(refused, /\r\na NO \[AUTHORIZATIONFAILED\]/)
  for (const identity of [{}, stranger]) {
    const without = await session(harness.tlsPort, identity, ['a AUTHENTICATE EXTERNAL =', 'b LOGIN aaa secret'])
    assert.doesNotMatch(without, /AUTH=EXTERNAL/)
    assert.match(without, /\r\na NO \[CANNOT\][^]*\r\nb OK /)
  }
})

test('clients are not asked for a certificate unless it was configured', async () => {
  const authenticator = await loneAuthenticator({ id: ACCOUNT_ID, address: 'aaa@test.com' }, 'secret')
  await using harness = await startHarness({ authenticator })
  const { key, cert } = makeCertificates()
  assert.doesNotMatch(await session(harness.tlsPort, { key, cert }, []), /AUTH=EXTERNAL/)
})
