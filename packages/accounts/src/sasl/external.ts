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
