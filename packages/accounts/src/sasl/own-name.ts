// Whether an authorization identity (RFC 4422 §3.4.1) names whoever logs in: acting for others is not offered.
import { canonicalAddress } from '@skein/mail'

export function isOwnName(authorizationId: string, name: string, account: { address: string }): boolean {
  if (authorizationId === '' || authorizationId === name) return true
  return canonicalAddress(authorizationId.trim()) === account.address
}
