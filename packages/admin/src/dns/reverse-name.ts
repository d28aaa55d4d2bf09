// The name under which an address has its PTR record: RFC 1035 §3.5, and RFC 3596 §2.5 for IPv6.

export function reverseName(address: string): string {
  if (!address.includes(':')) return `${address.split('.').reverse().join('.')}.in-addr.arpa`
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? []
  const groups = (text: string) => (text === '' ? [] : text.split(':')).flatMap(quads)
  const before = groups(head)
  const after = groups(tail)
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0') : []
  const digits = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('')
  return `${digits.toLowerCase().split('').reverse().join('.')}.ip6.arpa`
}

/** `::ffff:192.0.2.1` ends in IPv4's spelling. */
function quads(group: string): string[] {
  if (!group.includes('.')) return [group]
  const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
  return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)]
}
