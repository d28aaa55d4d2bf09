// The certificate that a node makes for itself: at its beginning, and again with the same key when its host name has become known
// or has changed. One that an operator put in its place is never touched.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { systemClock } from '@skein/runtime'
import { type DataDirectory, writeFileDurably } from './data-directory.ts'
import { makeCertificateAgain, makeSelfSignedCertificate } from './self-signed-certificate.ts'

/** Operator contract, "Files": localhost, the bound address, the node's host name and its domains. */
export function certificateNames(bind: string, hostName: string, domains: readonly string[]): string[] {
  return [...new Set(['localhost', bind || '127.0.0.1', hostName, hostname(), ...domains])]
}

export async function makeOwnCertificate(paths: DataDirectory, names: string[]): Promise<void> {
  const { cert, key } = await makeSelfSignedCertificate(names, systemClock.nowMs())
  writeFileDurably(paths.tlsCert, cert, 0o644)
  writeFileDurably(paths.tlsKey, key)
  writeFileDurably(paths.tlsSelfMade, `${fingerprintOf(cert)}\n`, 0o644)
}

/** @returns whether there is another certificate now */
export async function renameOwnCertificate(paths: DataDirectory, hostName: string, names: string[]): Promise<boolean> {
  const cert = readFileSync(paths.tlsCert, 'utf8')
  if (fingerprintOf(cert) !== ownFingerprint(paths) || isNamed(cert, hostName)) return false
  const again = await makeCertificateAgain(readFileSync(paths.tlsKey, 'utf8'), names, systemClock.nowMs())
  // The mark first: a crash between the two leaves a certificate that merely counts as the operator's.
  writeFileDurably(paths.tlsSelfMade, `${fingerprintOf(again)}\n`, 0o644)
  writeFileDurably(paths.tlsCert, again, 0o644)
  return true
}

function fingerprintOf(cert: string): string {
  return new X509Certificate(cert).fingerprint256
}

function isNamed(cert: string, hostName: string): boolean {
  return new X509Certificate(cert).checkHost(hostName, { wildcards: false }) !== undefined
}

function ownFingerprint(paths: DataDirectory): string | undefined {
  try {
    return readFileSync(paths.tlsSelfMade, 'utf8').trim()
  } catch {
    return undefined
  }
}
