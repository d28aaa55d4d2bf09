// What a client can be told of a node: the servers for reading and sending, under TLS from the first byte before STARTTLS.
import type { NodeRecord } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'
import { type NearestFacts, nearestNodes } from './nearest-nodes.ts'

export interface MailServer {
  protocol: 'imap' | 'pop3' | 'smtp'
  host: string
  port: number
  /** tls: from the first byte (RFC 8314 §3). */
  security: 'tls' | 'starttls'
}

export interface MailService {
  /** Canonical (A-labels). */
  domain: string
  /** Sorted: nearest node first, then TLS before STARTTLS. */
  servers: MailServer[]
}

const kinds: readonly [service: string, protocol: MailServer['protocol'], security: MailServer['security']][] = [
  ['imaps', 'imap', 'tls'],
  ['imap', 'imap', 'starttls'],
  ['pop3s', 'pop3', 'tls'],
  ['pop3', 'pop3', 'starttls'],
  ['submissions', 'smtp', 'tls'],
  ['submission', 'smtp', 'starttls'],
]

export interface DiscoveryFacts extends NearestFacts {
  hasDomain(canonical: string): boolean
  domains(): string[]
}

/** @param hostOf the name or address by which the asking client can reach a node */
export function mailService(
  domain: string,
  facts: NearestFacts,
  hostOf: (node: NodeRecord) => string | undefined,
  nodesMax: number,
): MailService {
  const servers = nearestNodes(facts, nodesMax).flatMap((node) => {
    const host = hostOf(node)
    return kinds.flatMap(([service, protocol, security]): MailServer[] => {
      const port = node.services?.[service]
      return host === undefined || port === undefined ? [] : [{ protocol, host, port, security }]
    })
  })
  return { domain, servers }
}

export function serversFor(service: MailService, protocol: MailServer['protocol']): MailServer[] {
  return service.servers.filter((server) => server.protocol === protocol)
}

/** The IP addresses in a node's multiaddrs. */
export function addressesOf(node: NodeRecord): string[] {
  return node.addresses.flatMap((multiaddr) => {
    const [, kind, host] = multiaddr.split('/')
    return (kind === 'ip4' || kind === 'ip6') && host !== undefined ? [host] : []
  })
}

/**
 * By its host name; but a client that came to an address rather than a name may have no DNS that knows the names, and is
 * told addresses.
 */
export function hostsFor(askedHost: string, localAddress: string, self: NodeId) {
  const isByAddress = askedHost.replace(/^\[|\]$/g, '') === localAddress
  return (node: NodeRecord): string | undefined => {
    if (!isByAddress) return node.hostName
    return node.id === self ? localAddress : (addressesOf(node)[0] ?? node.hostName)
  }
}
