// The PROXY protocol, versions 1 and 2 (www.haproxy.org/download/1.8/doc/proxy-protocol.txt): the first bytes of a connection that
// a load balancer makes in its client's name. Promises: never throws; any chunking gives the same result; reads no byte beyond it.
import { isIPv4, isIPv6 } from 'node:net'

export interface ProxyHeader {
  /** Bytes of the header. */
  length: number
  /** Null where the proxy speaks for itself (LOCAL) or does not say (UNKNOWN): the connection's own addresses count. */
  client: { address: string; port: number; destinationAddress: string; destinationPort: number } | null
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** With CR LF. */
const lineBytesMax = 107
const fixedBytes = 16

/** 'more' where it has not all come; 'malformed' where it never will. */
export function readProxyHeader(bytes: Buffer, bytesMax: number): ProxyHeader | 'more' | 'malformed' {
  if (bytes.length === 0) return 'more'
  if (bytes[0] === signature[0]) return readBinary(bytes, bytesMax)
  return readLine(bytes)
}

function readLine(bytes: Buffer): ProxyHeader | 'more' | 'malformed' {
  const text = bytes.toString('latin1', 0, lineBytesMax)
  const start = 'PROXY '
  if (!start.startsWith(text.slice(0, start.length))) return 'malformed'
  const end = text.indexOf('\r\n')
  if (end < 0) return text.length < lineBytesMax && !/\r[^\n]|(?<!\r)\n/.test(text) ? 'more' : 'malformed'
  const length = end + 2
  const line = text.slice(0, end)
  if (/^PROXY UNKNOWN(?: [ -~]*)?$/.test(line)) return { length, client: null }
  const match = /^PROXY (TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})$/.exec(line)
  if (!match) return 'malformed'
  const [, family, address = '', destinationAddress = '', from, to] = match
  const isFamily = family === 'TCP4' ? isIPv4 : isIPv6
  const port = portOf(from)
  const destinationPort = portOf(to)
  if (!isFamily(address) || !isFamily(destinationAddress) || port === null || destinationPort === null)
    return 'malformed'
  return { length, client: { address, port, destinationAddress, destinationPort } }
}

/** Without leading zeros. */
function portOf(text = ''): number | null {
  const port = Number(text)
  return String(port) === text && port <= 65_535 ? port : null
}

function readBinary(bytes: Buffer, bytesMax: number): ProxyHeader | 'more' | 'malformed' {
  const seen = Math.min(bytes.length, signature.length)
  if (!bytes.subarray(0, seen).equals(signature.subarray(0, seen))) return 'malformed'
  const command = bytes[12]
  if (command === undefined) return 'more'
  if (command !== 0x20 && command !== 0x21) return 'malformed'
  if (bytes.length < fixedBytes) return 'more'
  const family = bytes[13] as number
  const length = fixedBytes + bytes.readUInt16BE(14)
  if (length > bytesMax) return 'malformed'
  if (bytes.length < length) return 'more'
  const block = bytes.subarray(fixedBytes, length)
  if (command === 0x20) return { length, client: null }
  // Stream sockets of IPv4 and IPv6; what is neither says nothing to us. What follows the addresses (TLVs) is passed over.
  if (family === 0x11) return block.length < 12 ? 'malformed' : { length, client: addressesOf(block, 4) }
  if (family === 0x21) return block.length < 36 ? 'malformed' : { length, client: addressesOf(block, 16) }
  return family === 0 ? { length, client: null } : 'malformed'
}

function addressesOf(block: Buffer, size: 4 | 16): NonNullable<ProxyHeader['client']> {
  return {
    address: addressText(block.subarray(0, size)),
    destinationAddress: addressText(block.subarray(size, 2 * size)),
    port: block.readUInt16BE(2 * size),
    destinationPort: block.readUInt16BE(2 * size + 2),
  }
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups: string[] = []
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16))
  return groups.join(':')
}
