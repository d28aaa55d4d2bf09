// The DNS records that a mesh should publish, worked out from its nodes and domains. Pure. Each kind of record is one maker in a
// list; others (DKIM, DMARC, MTA-STS, TLSA) are further makers.
import type { NodeRecord } from '@skein/accounts'
import { isPublicAddress } from './address-kind.ts'
import { addressesOf } from '../discovery/mail-service.ts'

export type DnsType = 'MX' | 'SRV' | 'TXT' | 'A' | 'AAAA' | 'CNAME'

export interface DnsRecord {
  /** Absolute, without the last dot. */
  name: string
  type: DnsType
  /** As in a zone file, host names without the last dot, texts without quotes. */
  value: string
}

export interface DnsZone {
  /** A domain of the mesh; '' for host names that lie in none of them. */
  name: string
  records: DnsRecord[]
  /** What the records alone don't tell an operator. */
  notes: string[]
}

export interface DnsFacts {
  /** Canonical. */
  domains: readonly string[]
  nodes: readonly NodeRecord[]
}

export type RecordMaker = (domain: string, facts: DnsFacts) => DnsRecord[]

/** RFC 2782: 16 bits. */
const preferenceMax = 65_535
const preferenceOf = (node: NodeRecord) => Math.min(Math.max(node.priority, 0), preferenceMax)

/** Nodes that clients and other mail systems are sent to. */
function serving(nodes: readonly NodeRecord[], service: string): NodeRecord[] {
  return nodes
    .filter((node) => node.enabled && !node.witness && node.hostName !== '' && node.services?.[service] !== undefined)
    .sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1))
}

/** Public ones where it has any: a machine's inner addresses are of no use to the world. */
export function publishedAddresses(node: NodeRecord): string[] {
  const all = [...new Set(addressesOf(node))]
  const open = all.filter(isPublicAddress)
  return open.length > 0 ? open : all
}

const typeOf = (address: string): 'A' | 'AAAA' => (address.includes(':') ? 'AAAA' : 'A')

// RFC 5321 §5.1
const mailExchangers: RecordMaker = (domain, { nodes }) =>
  serving(nodes, 'smtp').map((node) => ({
    name: domain,
    type: 'MX',
    value: `${preferenceOf(node)} ${node.hostName}`,
  }))

// RFC 6186 §3 and RFC 8314 §5.1. The nearest node is unknown to the DNS; it tells the order that the operator gave.
const clientServices: [label: string, service: string][] = [
  ['_submissions', 'submissions'],
  ['_submission', 'submission'],
  ['_imaps', 'imaps'],
  ['_imap', 'imap'],
  ['_pop3s', 'pop3s'],
  ['_pop3', 'pop3'],
]

const serviceRecords: RecordMaker = (domain, { nodes }) =>
  clientServices.flatMap(([label, service]) => {
    const name = `${label}._tcp.${domain}`
    const hosts = serving(nodes, service)
    // RFC 6186 §3.4: said to be absent.
    if (hosts.length === 0) return [{ name, type: 'SRV' as const, value: '0 0 0 .' }]
    return hosts.map((node) => ({
      name,
      type: 'SRV' as const,
      value: `${preferenceOf(node)} 1 ${node.services?.[service]} ${node.hostName}`,
    }))
  })

const autodiscover: RecordMaker = (domain, { nodes }) =>
  serving(nodes, 'https').map((node) => ({
    name: `_autodiscover._tcp.${domain}`,
    type: 'SRV',
    value: `${preferenceOf(node)} 1 ${node.services?.['https']} ${node.hostName}`,
  }))

/** One node gets an alias; several share the name, so that any of them may answer. */
const setUpNames: RecordMaker = (domain, { nodes }) => {
  const hosts = serving(nodes, 'https')
  return ['autoconfig', 'autodiscover'].flatMap((label): DnsRecord[] => {
    const name = `${label}.${domain}`
    const [first, ...others] = hosts
    if (!first) return []
    if (others.length === 0) return [{ name, type: 'CNAME', value: first.hostName }]
    const addresses = [...new Set(hosts.flatMap(publishedAddresses))]
    return addresses.map((address) => ({ name, type: typeOf(address), value: address }))
  })
}

// RFC 7208 §5.6. A disabled node still sends what its own users write.
const senderPolicy: RecordMaker = (domain, { nodes }) => {
  const addresses = new Set(nodes.filter((node) => !node.witness).flatMap(publishedAddresses))
  const mechanisms = [...addresses].sort().map((address) => `${typeOf(address) === 'A' ? 'ip4' : 'ip6'}:${address}`)
  return [{ name: domain, type: 'TXT', value: ['v=spf1', ...mechanisms, '-all'].join(' ') }]
}

const makers: readonly RecordMaker[] = [mailExchangers, senderPolicy, serviceRecords, setUpNames, autodiscover]

function hostRecords(nodes: readonly NodeRecord[]): DnsRecord[] {
  return nodes
    .filter((node) => node.hostName !== '')
    .flatMap((node) =>
      publishedAddresses(node).map((address) => ({ name: node.hostName, type: typeOf(address), value: address })),
    )
}

export function planDns(facts: DnsFacts): DnsZone[] {
  // The longest domain that the host name ends with.
  const zoneOf = (host: string) =>
    facts.domains
      .filter((domain) => host === domain || host.endsWith(`.${domain}`))
      .sort((a, b) => b.length - a.length)[0] ?? ''
  const hosts = hostRecords(facts.nodes.filter((node) => !node.witness))
  const zones = facts.domains.map((domain) => ({
    name: domain,
    records: [
      ...makers.flatMap((make) => make(domain, facts)),
      ...hosts.filter((record) => zoneOf(record.name) === domain),
    ],
    notes: [] as string[],
  }))
  const elsewhere = hosts.filter((record) => zoneOf(record.name) === '')
  if (elsewhere.length > 0) zones.push({ name: '', records: elsewhere, notes: [] })
  zones[0]?.notes.push(...nodeNotes(facts.nodes))
  return zones
}

function nodeNotes(nodes: readonly NodeRecord[]): string[] {
  return nodes
    .filter((node) => !node.witness)
    .flatMap((node) => {
      const { name, hostName, services = {} } = node
      const notes: string[] = []
      const addresses = publishedAddresses(node)
      const smtp = services['smtp']
      if (addresses.length === 0) {
        notes.push(`${name} announces itself by names only: publish addresses for ${hostName}, and name them in SPF`)
      } else if (!addresses.some(isPublicAddress)) {
        notes.push(
          `${name} announces no public address (mesh.announce says one): ${addresses.join(', ')} is of no use to the world`,
        )
      }
      if (Object.keys(services).length === 0) notes.push(`${name} has not said its ports yet, and is left out`)
      if (smtp !== undefined && smtp !== 25) {
        notes.push(`${name} takes mail on port ${smtp}; other mail systems only come to port 25`)
      }
      return notes
    })
}
