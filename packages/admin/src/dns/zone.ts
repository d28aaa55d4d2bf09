// What a DNS record, a zone of them and the facts behind them are, here.
import type { DomainRecord, MtaStsMode, NodeRecord } from '@skein/accounts'
import { isPublicAddress } from './address-kind.ts'
import { addressesOf } from '../discovery/mail-service.ts'

export type DnsType = 'MX' | 'SRV' | 'TXT' | 'A' | 'AAAA' | 'CNAME' | 'TLSA' | 'CAA' | 'PTR'

export interface DnsRecord {
  /** Absolute, without the last dot. */
  name: string
  type: DnsType
  /** As in a zone file, host names without the last dot, texts without quotes. */
  value: string
}

export interface DnsZone {
  /** A domain of the mesh; '' for names that lie in none of them. */
  name: string
  records: DnsRecord[]
  /** What the records alone don't tell an operator. */
  notes: string[]
  /** The policy that every node serves for this domain. */
  mtaSts?: { mode: MtaStsMode; text: string }
}

export interface DnsFacts {
  /** Canonical. */
  domains: readonly Pick<DomainRecord, 'name' | 'mtaSts'>[]
  nodes: readonly NodeRecord[]
}

export interface DnsPlanSettings {
  /** MX by the nodes' priority, or all with one preference. Default `priority`. */
  exchangers?: 'priority' | 'equal'
  /** Nodes of this region come before all others: for a view of the zone that only that region sees. */
  region?: string
}

export type RecordMaker = (domain: string, facts: DnsFacts, settings: DnsPlanSettings) => DnsRecord[]

/** Nodes that clients and other mail systems are sent to. */
export function serving(nodes: readonly NodeRecord[], service: string): NodeRecord[] {
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

export const typeOf = (address: string): 'A' | 'AAAA' => (address.includes(':') ? 'AAAA' : 'A')
