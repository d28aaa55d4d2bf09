import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { dataDirectory } from './data-directory.ts'
import { certificateNames, makeOwnCertificate, renameOwnCertificate } from './own-certificate.ts'

test('the self-made certificate follows the host name, with the same key; another’s is left alone', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'skein-certificate-'))
  t.after(() => rmSync(root, { recursive: true }))
  const paths = dataDirectory(root)
  mkdirSync(dirname(paths.tlsCert))
  await makeOwnCertificate(paths, certificateNames('127.0.0.9', 'hk', []))
  const first = readFileSync(paths.tlsCert, 'utf8')
  const key = readFileSync(paths.tlsKey, 'utf8')
  const names = certificateNames('127.0.0.9', 'hk.test.com', ['test.com', 'mailer.com.cn'])

  assert.equal(await renameOwnCertificate(paths, 'hk', names), false)
  assert.equal(await renameOwnCertificate(paths, 'hk.test.com', names), true)
  const second = new X509Certificate(readFileSync(paths.tlsCert))
  assert.equal(readFileSync(paths.tlsKey, 'utf8'), key)
  assert.ok(second.checkPrivateKey(createPrivateKey(key)))
  for (const name of ['localhost', 'hk.test.com', 'test.com', 'mailer.com.cn'])
    assert.equal(second.checkHost(name), name)
  assert.equal(second.checkIP('127.0.0.9'), '127.0.0.9')
  assert.equal(await renameOwnCertificate(paths, 'hk.test.com', names), false)
  assert.equal(await renameOwnCertificate(paths, 'hub.test.com', ['hub.test.com']), true)

  // One that was put there by hand, or made before there was a mark.
  writeFileSync(paths.tlsCert, first)
  assert.equal(await renameOwnCertificate(paths, 'other.test.com', names), false)
  rmSync(paths.tlsSelfMade)
  assert.equal(await renameOwnCertificate(paths, 'other.test.com', names), false)
  assert.equal(readFileSync(paths.tlsCert, 'utf8'), first)
})
