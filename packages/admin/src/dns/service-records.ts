// Where mail goes and where mail programs go: MX, SRV, and the names that all nodes share.
import type { NodeRecord } from '@skein/accounts'
import { type DnsPlanSettings, type DnsRecord, type RecordMaker, publishedAddresses, serving, typeOf } from './zone.ts'

/** RFC 2782 and RFC 5321: 16 bits. */
const preferenceMax = 65_535
const equalPreference = 10
/** What nodes of other regions are put behind by. */
const regionStep = 10_000

const priorityOf = (node: NodeRecord) => Math.min(Math.max(node.priority, 0), preferenceMax)

function preferenceOf(node: NodeRecord, { exchangers, region }: DnsPlanSettings): number {
  const own = exchangers === 'equal' ? equalPreference : priorityOf(node)
  return region === undefined || node.region === region ? own : Math.min(own + regionStep, preferenceMax)
}

// RFC 5321 §5.1
export const mailExchangers: RecordMaker = (domain, { nodes }, settings) =>
  serving(nodes, 'smtp').map((node) => ({
    name: domain,
    type: 'MX',
    value: `${preferenceOf(node, settings)} ${node.hostName}`,
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

export const serviceRecords: RecordMaker = (domain, { nodes }, settings) =>
  clientServices.flatMap(([label, service]) => {
    const name = `${label}._tcp.${domain}`
    const hosts = serving(nodes, service)
    // RFC 6186 §3.4: said to be absent.
    if (hosts.length === 0) return [{ name, type: 'SRV' as const, value: '0 0 0 .' }]
    return hosts.map((node) => serviceRecord(name, node, service, settings))
  })

export const autodiscover: RecordMaker = (domain, { nodes }, settings) =>
  serving(nodes, 'https').map((node) => serviceRecord(`_autodiscover._tcp.${domain}`, node, 'https', settings))

function serviceRecord(name: string, node: NodeRecord, service: string, settings: DnsPlanSettings): DnsRecord {
  const order = preferenceOf(node, { ...settings, exchangers: 'priority' })
  return { name, type: 'SRV', value: `${order} 1 ${node.services?.[service]} ${node.hostName}` }
}

/** Names that lead to whichever node; each has a certificate for them (ADR 17). */
export const sharedLabels = ['mail', 'autoconfig', 'autodiscover', 'mta-sts'] as const

/** One node gets an alias; several share the name, so that any of them may answer. */
export const sharedNames: RecordMaker = (domain, { domains, nodes }) =>
  sharedLabels.flatMap((label): DnsRecord[] => {
    const name = `${label}.${domain}`
    if (nodes.some((node) => node.hostName === name)) return []
    if (label === 'mta-sts' && domains.find((one) => one.name === domain)?.mtaSts === 'none') return []
    const hosts = serving(nodes, label === 'mail' ? 'imaps' : 'https')
    const [first, ...others] = hosts
    if (!first) return []
    if (others.length === 0) return [{ name, type: 'CNAME', value: first.hostName }]
    const addresses = [...new Set(hosts.flatMap(publishedAddresses))]
    return addresses.map((address) => ({ name, type: typeOf(address), value: address }))
  })
