// How an address is named: the network that it comes from, and the form in which the DNS is asked about it.
import { clientKey, createAddressSet, plainAddress } from '@skein/runtime'

/** The eight groups of an IPv6 address that has been checked, as numbers. */
function groupsOf(address: string): number[] {
  const withTail = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) => {
    return `${((Number(a) << 8) | Number(b)).toString(16)}:${((Number(c) << 8) | Number(d)).toString(16)}`
  })
  const [head = '', tail] = (withTail.split('%', 1)[0] as string).split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
}

/** RFC 1918, RFC 4193, RFC 6598 and link-local: the world's DNS knows no names of these. */
export const isPrivateAddress = createAddressSet([
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
])

/** RFC 6647 §5: large senders try again from another address of the same network. IPv4: /24; IPv6: /64. */
export function networkOf(address: string): string {
  const plain = plainAddress(address)
  return plain.includes(':') ? clientKey(plain) : plain.split('.').slice(0, 3).join('.')
}

/** What one attacker can be expected to have at hand. IPv4: /24; IPv6: /48, which is what a provider gives a site. */
export function siteOf(address: string): string {
  const network = networkOf(address)
  return plainAddress(address).includes(':') ? network.split(':').slice(0, 3).join(':') : network
}

/** RFC 5782 §2.1 and §2.4: octets, or the 32 nibbles, in reverse order. */
export function reversedName(address: string): string {
  const plain = plainAddress(address)
  if (!plain.includes(':')) return plain.split('.').toReversed().join('.')
  const nibbles = groupsOf(plain)
    .map((group) => group.toString(16).padStart(4, '0'))
    .join('')
  return nibbles.split('').toReversed().join('.')
}

/** Two spellings of one address are one. */
export function isSameAddress(a: string, b: string): boolean {
  const [one, other] = [plainAddress(a), plainAddress(b)]
  if (one.includes(':') !== other.includes(':')) return false
  return one.includes(':') ? groupsOf(one).join() === groupsOf(other).join() : one === other
}

/** The 32 or 128 bits of an address that has been checked, as zeros and ones. */
export function bitsOf(address: string): string {
  const plain = plainAddress(address)
  return plain.includes(':')
    ? groupsOf(plain)
        .map((group) => group.toString(2).padStart(16, '0'))
        .join('')
    : plain
        .split('.')
        .map((octet) => Number(octet).toString(2).padStart(8, '0'))
        .join('')
}
