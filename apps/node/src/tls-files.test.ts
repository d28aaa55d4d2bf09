import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { makeSelfSignedCertificate } from './self-signed-certificate.ts'
import { loadTlsMaterial } from './tls-files.ts'

const root = mkdtempSync(join(tmpdir(), 'skein-tls-'))
const files = { cert: join(root, 'cert.pem'), key: join(root, 'key.pem') }
after(() => rmSync(root, { recursive: true, force: true }))

test('a key that is not the certificate’s is refused, of the same kind or another, and the pair in use stays', async () => {
  const good = await makeSelfSignedCertificate(['localhost'], Date.now())
  writeFileSync(files.cert, good.cert)
  writeFileSync(files.key, good.key)
  const tls = loadTlsMaterial(files)
  let changes = 0
  tls.onChange(() => changes++)
  const others = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'prime256v1' }),
  ]
  for (const { privateKey } of others) {
    writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    assert.throws(
      () => tls.reload(),
      (error) => isErrorCode(error, 'certificate-invalid'),
    )
    assert.throws(
      () => loadTlsMaterial(files),
      (error) => isErrorCode(error, 'certificate-invalid'),
    )
  }
  assert.deepEqual(tls.current(), { cert: good.cert, key: good.key })
  assert.equal(changes, 0)
  writeFileSync(files.key, good.key)
  tls.reload()
  assert.equal(changes, 1)
})
