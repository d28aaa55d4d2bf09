// The TLS keys of this node as the DNS tells them (TLSA `3 1 1`, RFC 6698 §2.1): digests of the public keys, so that they outlive
// every certificate made for the same key. Each node says its own in its own document, whoever made the certificate.
import { X509Certificate, createHash, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import type { Ledger } from '@skein/replication'
import type { Logger } from '@skein/runtime'
import type { DataDirectory } from './data-directory.ts'
import type { ReloadableTls } from './tls-files.ts'

/** @param pem a certificate, or a private key */
export function keyDigest(pem: string): string {
  const isCertificate = pem.includes('BEGIN CERTIFICATE')
  const key = isCertificate ? new X509Certificate(pem).publicKey : createPublicKey(pem)
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

/** A key that waits for its certificate, or has got it just now: a crash between the two renames is mended here. */
export function settleKeys(paths: DataDirectory): void {
  if (!existsSync(paths.tlsNextKey) || !existsSync(paths.tlsCert) || !existsSync(paths.tlsKey)) return
  const certified = keyDigest(readFileSync(paths.tlsCert, 'utf8'))
  if (keyDigest(readFileSync(paths.tlsKey, 'utf8')) === certified) return
  if (keyDigest(readFileSync(paths.tlsNextKey, 'utf8')) === certified) renameSync(paths.tlsNextKey, paths.tlsKey)
}

/** Says them now, and again whenever the certificate changes. Returns the way to say them again. */
export function announceKeys(
  ledger: Pick<Ledger, 'setSelf'>,
  tls: ReloadableTls,
  paths: DataDirectory,
  logger: Logger,
): () => Promise<void> {
  const announce = async () => {
    const digests = [keyDigest(tls.current().cert)]
    if (existsSync(paths.tlsNextKey)) digests.push(keyDigest(readFileSync(paths.tlsNextKey, 'utf8')))
    await ledger.setSelf({ tlsKeys: [...new Set(digests)] })
  }
  tls.onChange(() => {
    announce().catch((error: unknown) => logger.error({ error: String(error) }, 'the TLS keys could not be announced'))
  })
  return announce
}
