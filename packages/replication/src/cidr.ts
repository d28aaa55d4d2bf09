// Lists of single addresses and networks (DI-47), matched without the system: IPv4, IPv6, and IPv4 mapped into IPv6.

export interface AddressMatcher {
  matches(ip: string): boolean
}

interface Network {
  bytes: Uint8Array
  bits: number
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [i, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes[i] = Number(part)
  }
  return bytes
}

/** RFC 4291 §2.2: groups of four hex digits, one `::`, an IPv4 tail. */
function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const groupsOf = (half: string): number[] | undefined => {
    if (half === '') return []
    const groups: number[] = []
    const parts = half.split(':')
    for (const [i, part] of parts.entries()) {
      if (part.includes('.')) {
        const tail = i === parts.length - 1 ? parseIpv4(part) : undefined
        if (!tail) return undefined
        groups.push(((tail[0] ?? 0) << 8) | (tail[1] ?? 0), ((tail[2] ?? 0) << 8) | (tail[3] ?? 0))
      } else {
        if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined
        groups.push(Number.parseInt(part, 16))
      }
    }
    return groups
  }
  const head = groupsOf(halves[0] ?? '')
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '') : []
  if (!head || !tail) return undefined
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  // An IPv4 tail may only end the whole address, not the part before `::`.
  if (halves.length === 2 && (halves[0] ?? '').includes('.')) return undefined
  const bytes = new Uint8Array(16)
  for (const [i, group] of [...head, ...Array<number>(missing).fill(0), ...tail].entries()) {
    bytes[i * 2] = group >> 8
    bytes[i * 2 + 1] = group & 255
  }
  return bytes
}

/** Four bytes for IPv4 (also when mapped, RFC 4291 §2.5.5.2), sixteen for IPv6; a zone (`%eth0`) is ignored. */
export function parseIp(text: string): Uint8Array | undefined {
  const plain = text.split('%', 1)[0] ?? ''
  if (!plain.includes(':')) return parseIpv4(plain)
  const bytes = parseIpv6(plain)
  if (!bytes) return undefined
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  return mapped ? bytes.slice(12) : bytes
}

function parseMask(mask: string, lengthBits: number): number | undefined {
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= lengthBits ? Number(mask) : undefined
  const bytes = lengthBits === 32 ? parseIpv4(mask) : undefined
  if (!bytes) return undefined
  const ones = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(ones) ? ones.replaceAll('0', '').length : undefined
}

/** `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`, or one address. Undefined when it is none of these. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', mask, ...more] = text.trim().split('/')
  const bytes = parseIp(address)
  if (!bytes || more.length > 0) return undefined
  if (mask === undefined) return { bytes, bits: bytes.length * 8 }
  if (bytes.length === 4 && address.includes(':')) {
    // `::ffff:10.0.0.0/104` counts the bits of the mapping too.
    const bits = parseMask(mask, 128)
    return bits === undefined || bits < 96 ? undefined : { bytes, bits: bits - 96 }
  }
  const bits = parseMask(mask, bytes.length * 8)
  return bits === undefined ? undefined : { bytes, bits }
}

function contains(network: Network, ip: Uint8Array): boolean {
  if (network.bytes.length !== ip.length) return false
  const whole = network.bits >> 3
  for (let i = 0; i < whole; i++) if (network.bytes[i] !== ip[i]) return false
  const rest = network.bits & 7
  if (rest === 0) return true
  const mask = (0xff << (8 - rest)) & 0xff
  return ((network.bytes[whole] ?? 0) & mask) === ((ip[whole] ?? 0) & mask)
}

/** An empty list lets everybody in; an entry that can't be read lets nobody in by itself. */
export function createAddressMatcher(allow: readonly string[]): AddressMatcher {
  const networks = allow.map(parseNetwork).filter((network) => network !== undefined)
  return {
    matches(ip) {
      if (allow.length === 0) return true
      const bytes = parseIp(ip)
      return bytes !== undefined && networks.some((network) => contains(network, bytes))
    },
  }
}
