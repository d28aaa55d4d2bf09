// EXTERNAL (RFC 4422 appendix A): the client's TLS certificate, signed by an authority of the operator's choice, is the log-in.
import { canonicalAddress } from '@skein/mail'
import { type SaslMechanism, textOf } from './exchange.ts'

export const external: SaslMechanism = {
  name: 'EXTERNAL',
  isOffered: (authenticator, { certificateAddresses }) =>
    authenticator.certificates !== undefined && (certificateAddresses?.length ?? 0) > 0,
  async *converse(authenticator, { certificateAddresses = [], remoteAddress, protocol }, initial) {
    const wanted = textOf(initial ?? (yield new Uint8Array(0)))
    // Without an authorization identity it is the certificate's first address.
    const address = wanted === '' ? certificateAddresses[0] : canonicalAddress(wanted.trim())
    if (address === undefined || !authenticator.certificates) return { kind: 'refused' }
    if (!certificateAddresses.includes(address)) return { kind: 'not-authorized' }
    return authenticator.certificates.login({ address, remoteAddress, protocol })
  },
}

/** As much of a TLS connection as is needed; both are true only where certificates were asked for and this one is good. */
export interface CertifiedChannel {
  readonly authorized: boolean
  getPeerX509Certificate(): { readonly subjectAltName?: string | undefined; readonly subject: string } | undefined
}

/** Canonical addresses that a verified client certificate speaks for: its e-mail names, else its subject's. */
export function certificateAddressesOf(channel: CertifiedChannel): string[] {
  if (!channel.authorized) return []
  const certificate = channel.getPeerX509Certificate()
  if (!certificate) return []
  const alternative = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('email:'))
  const named = alternative.map((name) => name.slice('email:'.length))
  // RFC 5280 §4.1.2.6: an e-mail address in the subject is the old place for it.
  const subject = certificate.subject.split('\n').filter((line) => /^(?:emailAddress|CN)=/i.test(line))
  const texts = named.length > 0 ? named : subject.map((line) => line.slice(line.indexOf('=') + 1))
  return texts.map((text) => canonicalAddress(text)).filter((address) => address !== undefined)
}
