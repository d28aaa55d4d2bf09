// Multiaddrs as the mesh uses them: TCP over an IP address or a host name, with or without the peer's id at the end.
import { isIP } from 'node:net'
import {
  CODE_DNS,
  CODE_DNS4,
  CODE_DNS6,
  CODE_IP4,
  CODE_IP6,
  CODE_P2P,
  CODE_TCP,
  multiaddr,
} from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '@skein/runtime'

const hostCodes: readonly number[] = [CODE_IP4, CODE_IP6, CODE_DNS, CODE_DNS4, CODE_DNS6]

/** Undefined for what this mesh cannot dial. */
export function dialAddressOf(peer: NodeId, address: string): Multiaddr | undefined {
  try {
    const parsed = multiaddr(address)
    const [host, port, id, ...rest] = parsed.getComponents()
    if (host === undefined || !hostCodes.includes(host.code) || port?.code !== CODE_TCP) return undefined
    if (rest.length > 0 || (id !== undefined && (id.code !== CODE_P2P || id.value !== peer))) return undefined
    return id === undefined ? parsed.encapsulate(`/p2p/${peer}`) : parsed
  } catch {
    return undefined
  }
}

/** Those that can be dialled, each in the one form that names the peer, without doubles. */
export function dialAddressesOf(peer: NodeId, addresses: readonly string[]): string[] {
  const forms = addresses.map((address) => dialAddressOf(peer, address)?.toString())
  return [...new Set(forms.filter((form) => form !== undefined))]
}

/** The IP address of a multiaddr; an IPv4 address that came mapped into IPv6 (RFC 4291 §2.5.5.2) as IPv4. */
export function ipOf(address: Multiaddr): string | undefined {
  const host = address.getComponents().find(({ code }) => code === CODE_IP4 || code === CODE_IP6)?.value
  if (host === undefined) return undefined
  // Multiaddrs print such an address in hexadecimal groups.
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(host)
  if (mapped === null) return host
  const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/**
 * Where a dial to `target` should come from, so that a node bound to one address is seen at that address:
 * the IP this node listens on, when it is one of the same family and the same side of loopback.
 */
export function localAddressFor(listening: readonly Multiaddr[], target: Multiaddr): string | undefined {
  const to = ipOf(target)
  if (to === undefined) return undefined
  const bound = new Set(listening.map(ipOf).filter((ip) => ip !== undefined))
  const fitting = [...bound].filter((ip) => {
    return !isUnspecified(ip) && isIP(ip) === isIP(to) && isLoopback(ip) === isLoopback(to)
  })
  return fitting.length === 1 ? fitting[0] : undefined
}

function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::'
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1'
}
