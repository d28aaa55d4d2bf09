// Which IP addresses the world can reach.
import { createAddressSet } from '@skein/runtime'

/** Loopback, private, link-local, shared, documentation, benchmark, multicast and reserved blocks (IANA special-purpose registries). */
const isSpecial = createAddressSet([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  '::/127',
  '64:ff9b:1::/48',
  '2001:db8::/32',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
])

export function isPublicAddress(address: string): boolean {
  return !isSpecial(address)
}
