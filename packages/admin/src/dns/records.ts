// The DNS records that a mesh should publish, worked out from its nodes and domains. Pure. Each kind of record is one maker in a list.
import type { NodeRecord } from '@skein/accounts'
import { dnsLimits } from '../limits.ts'
import { type MtaStsPolicy, mtaStsPolicy } from '../mta-sts/policy.ts'
import { isPublicAddress } from './address-kind.ts'
import { reverseName } from './reverse-name.ts'
import { alignmentPolicy, senderPolicy, signingKeys } from './sender-records.ts'
import { autodiscover, mailExchangers, serviceRecords, sharedNames } from './service-records.ts'
import { authorities, keyRecords, transportPolicy, transportReports } from './transport-records.ts'
import {
  type DnsFacts,
  type DnsPlanSettings,
  type DnsRecord,
  type DnsZone,
  type RecordMaker,
  publishedAddresses,
  typeOf,
} from './zone.ts'

const makers: readonly RecordMaker[] = [
  mailExchangers,
  senderPolicy,
  signingKeys,
  alignmentPolicy,
  transportPolicy,
  transportReports,
  authorities,
  serviceRecords,
  sharedNames,
  autodiscover,
]

/** Addresses of host names, and the keys of the certificates that are met there. */
function hostRecords(nodes: readonly NodeRecord[]): DnsRecord[] {
  return nodes
    .filter((node) => node.hostName !== '')
    .flatMap((node) => [
      ...publishedAddresses(node).map((address) => ({ name: node.hostName, type: typeOf(address), value: address })),
      ...keyRecords(node),
    ])
}

/** Set by whoever gives out the address (RFC 1912 §2.1). */
function reverseRecords(nodes: readonly NodeRecord[]): DnsRecord[] {
  return nodes
    .filter((node) => node.hostName !== '')
    .flatMap((node) =>
      publishedAddresses(node)
        .filter(isPublicAddress)
        .map((address) => ({ name: reverseName(address), type: 'PTR', value: node.hostName })),
    )
}

export function planDns(facts: DnsFacts, settings: DnsPlanSettings = {}): DnsZone[] {
  const names = facts.domains.map(({ name }) => name)
  // The longest domain that the host name ends with.
  const zoneOf = (host: string) =>
    names.filter((domain) => host === domain || host.endsWith(`.${domain}`)).sort((a, b) => b.length - a.length)[0] ??
    ''
  const nodes = facts.nodes.filter((node) => !node.witness)
  const hosts = hostRecords(nodes)
  const zones = facts.domains.map(({ name, mtaSts: mode = 'testing' }): DnsZone => {
    const own = makers.flatMap((make) => make(name, facts, settings))
    const policy = mtaStsPolicy(mode, facts.nodes)
    return {
      name,
      records: [...own, ...hosts.filter((record) => zoneOf(record.name) === name)],
      notes: domainNotes(name, own, policy),
      mtaSts: { mode, text: policy.text },
    }
  })
  const elsewhere = [...hosts.filter((record) => zoneOf(record.name) === ''), ...reverseRecords(nodes)]
  if (elsewhere.length > 0) zones.push({ name: '', records: elsewhere, notes: [] })
  zones[0]?.notes.push(...nodes.flatMap(nodeNotes))
  return zones
}

function domainNotes(name: string, records: readonly DnsRecord[], policy: MtaStsPolicy): string[] {
  const notes: string[] = []
  if (records.filter(({ name: at }) => at.startsWith('_spf')).length > dnsLimits.senderPolicyPartsMax) {
    notes.push(
      `SPF of ${name} needs more look-ups than receivers make: announce fewer addresses, or write CIDR blocks by hand`,
    )
  }
  // RFC 8461 §8.3
  if (policy.mode === 'none') {
    notes.push(
      `MTA-STS of ${name} is off; where it was on, publish _mta-sts.${name} TXT "v=STSv1; id=${policy.id};" for two weeks, then take it out`,
    )
  }
  return notes
}

function nodeNotes(node: NodeRecord): string[] {
  const { name, hostName, services = {} } = node
  const notes: string[] = []
  const addresses = publishedAddresses(node)
  const { smtp, https } = services
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
  if (https !== undefined && https !== 443) {
    notes.push(`${name} has HTTPS on port ${https}; whoever reads MTA-STS policies only comes to port 443`)
  }
  return notes
}
