// Sets of network addresses, as single addresses and CIDR blocks.
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/** Without the prefix that a dual-stack socket gives an IPv4 client. */
export function plainAddress(address: string): string {
  return /^::ffff:\d/i.test(address) ? address.slice(7) : address
}

export function isLoopback(address: string): boolean {
  const plain = plainAddress(address)
  return plain === '::1' || plain.startsWith('127.')
}

/** @throws RangeError for an entry that is neither an address nor a block. */
export function createAddressSet(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of entries) {
    const [network = '', bits] = entry.split('/')
    const family = isIPv4(network) ? 'ipv4' : isIPv6(network) ? 'ipv6' : undefined
    if (!family) throw new RangeError(`neither an address nor a CIDR block: ${entry}`)
    if (bits === undefined) list.addAddress(network, family)
    else list.addSubnet(network, Number(bits), family)
  }
  // The same few clients are asked about again and again.
  const answered = new Map<string, boolean>()
  return (address) => {
    const known = answered.get(address)
    if (known !== undefined) return known
    const plain = plainAddress(address)
    const answer = list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4')
    if (answered.size >= answersKeptMax) answered.clear()
    answered.set(address, answer)
    return answer
  }
}

const answersKeptMax = 256

/** Whether a set may be made of it: what a person or a stranger wrote may be none. */
export function isAddressOrBlock(text: string): boolean {
  try {
    createAddressSet([text])
    return true
  } catch {
    return false
  }
}

/** What counts as one client: an IPv4 address, or an IPv6 /64, which is the least that a network gives a site. */
export function clientKey(address: string): string {
  const plain = plainAddress(address)
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
  }
  return groups.slice(0, 4).join(':')
}
