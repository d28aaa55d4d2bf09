// The certificates in test/certificates, read.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

export type CertificateName = 'authority' | 'intermediate' | 'host' | 'expired' | 'too-deep' | 'deep' | 'own'

export function pemOf(name: CertificateName | `${CertificateName}-key`): string {
  return readFileSync(new URL(`certificates/${name}.pem`, import.meta.url), 'utf8')
}

export function certificate(name: CertificateName): X509Certificate {
  return new X509Certificate(pemOf(name))
}

/** What a server shows: a key and its chain. */
export function chainOf(...names: [CertificateName, ...CertificateName[]]): { key: string; cert: string } {
  return { key: pemOf(`${names[0]}-key`), cert: names.map(pemOf).join('') }
}
