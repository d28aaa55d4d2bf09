import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { certificateAddresses, readAuthorities } from './client-certificate.ts'

const directory = mkdtempSync(join(tmpdir(), 'skein-certificates-'))
after(() => rmSync(directory, { recursive: true }))
const path = (name: string) => join(directory, name)
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function authority(name: string): X509Certificate {
  const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)]
  openssl('req', '-x509', ...key, '-subj', `/CN=${name}`, '-days', '2', ...files)
  return new X509Certificate(readFileSync(path(`${name}.pem`)))
}

function certificate(signer: string, subject: string, extensions: string): X509Certificate {
  writeFileSync(path('ext'), extensions)
  openssl('req', ...key, '-subj', subject, '-keyout', path('c.key'), '-out', path('c.csr'))
  const ca = ['-CA', path(`${signer}.pem`), '-CAkey', path(`${signer}.key`), '-CAcreateserial']
  openssl('x509', '-req', '-in', path('c.csr'), ...ca, '-days', '1', '-extfile', path('ext'), '-out', path('c.pem'))
  return new X509Certificate(readFileSync(path('c.pem')))
}

test('a certificate speaks for its e-mail names or its subject, and only when it is good for that', () => {
  const ours = authority('ours')
  const theirs = authority('theirs')
  // The certificates below are valid from the second in which they are made.
  const now = Date.now() + 60_000
  const plain = 'basicConstraints=CA:FALSE\n'
  const named = certificate(
    'ours',
    '/O=T/CN=ccc@test.com',
    `${plain}subjectAltName=email:AAA@Test.Com,email:b@test.com\n`,
  )
  assert.deepEqual(certificateAddresses(named, [theirs, ours], now), ['aaa@test.com', 'b@test.com'])
  assert.deepEqual(certificateAddresses(named, [theirs], now), [], 'somebody else’s')
  assert.deepEqual(certificateAddresses(named, [], now), [])
  assert.deepEqual(certificateAddresses(named, [ours], now + 2 * 86_400_000), [], 'no longer valid')
  assert.deepEqual(certificateAddresses(named, [ours], now - 86_400_000), [], 'not yet valid')
  assert.deepEqual(certificateAddresses(ours, [ours], now), [], 'an authority is nobody')
  assert.deepEqual(certificateAddresses(undefined, [ours], now), [])
  const bySubject = certificate('ours', '/CN=x/emailAddress=aaa@test.com', plain)
  assert.deepEqual(certificateAddresses(bySubject, [ours], now), ['aaa@test.com'])
  assert.deepEqual(certificateAddresses(certificate('ours', '/CN=nobody', plain), [ours], now), [])
  const server = certificate('ours', '/CN=aaa@test.com', `${plain}extendedKeyUsage=serverAuth\n`)
  assert.deepEqual(certificateAddresses(server, [ours], now), [], 'meant for servers')
  const client = certificate('ours', '/CN=aaa@test.com', `${plain}extendedKeyUsage=clientAuth\n`)
  assert.deepEqual(certificateAddresses(client, [ours], now), ['aaa@test.com'])
})

test('a file of authorities has at least one', () => {
  const pem = readFileSync(path('ours.pem'), 'utf8')
  assert.equal(readAuthorities(`ours\n${pem}\n${pem}`).length, 2)
  assert.throws(() => readAuthorities('nothing'))
})
