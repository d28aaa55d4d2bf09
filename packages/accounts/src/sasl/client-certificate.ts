// Whom a client's TLS certificate speaks for (RFC 5280). The handshake has shown that the client holds its key.
// Promises: only a certificate that one of the operator's authorities signed itself, that is valid now and meant for
// clients, speaks for anybody.
import { X509Certificate } from 'node:crypto'
import { canonicalAddress } from '@skein/mail'

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
/** id-kp-clientAuth */
const forClients = '1.3.6.1.5.5.7.3.2'

/** @throws Error where a certificate can not be read, or there is none */
export function readAuthorities(pem: string): X509Certificate[] {
  const blocks = pem.match(pemBlock) ?? []
  if (blocks.length === 0) throw new Error('there is no certificate in it')
  return blocks.map((block) => new X509Certificate(block))
}

/** Canonical addresses: its e-mail names, or where it has none, those in its subject. */
export function certificateAddresses(
  certificate: X509Certificate | undefined,
  authorities: readonly X509Certificate[],
  nowMs: number,
): string[] {
  if (!certificate || certificate.ca) return []
  if (nowMs < certificate.validFromDate.getTime() || nowMs > certificate.validToDate.getTime()) return []
  // Extended key usage, where it says anything, must say this.
  const usage: string[] | undefined = certificate.keyUsage
  if (usage && !usage.includes(forClients)) return []
  const signer = authorities.find(
    (authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
  )
  if (!signer) return []
  const alternative = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('email:'))
  const named = alternative.map((name) => name.slice('email:'.length))
  // RFC 5280 §4.1.2.6: an e-mail address in the subject is the old place for it.
  const subject = certificate.subject.split('\n').filter((line) => /^(?:emailAddress|CN)=/i.test(line))
  const texts = named.length > 0 ? named : subject.map((line) => line.slice(line.indexOf('=') + 1))
  return texts.map((text) => canonicalAddress(text)).filter((address) => address !== undefined)
}
