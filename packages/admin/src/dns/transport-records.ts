// How others find out that mail to us goes under TLS, and whose certificates they meet: MTA-STS, TLS-RPT, TLSA, CAA.
import type { NodeRecord } from '@skein/accounts'
import { mtaStsPolicy } from '../mta-sts/policy.ts'
import { reportAddress } from './sender-records.ts'
import type { DnsRecord, RecordMaker } from './zone.ts'

// RFC 8461 §3.1
export const transportPolicy: RecordMaker = (domain, { domains, nodes }) => {
  const mode = domains.find((one) => one.name === domain)?.mtaSts ?? 'testing'
  if (mode === 'none') return []
  return [{ name: `_mta-sts.${domain}`, type: 'TXT', value: `v=STSv1; id=${mtaStsPolicy(mode, nodes).id};` }]
}

// RFC 8460 §3
export const transportReports: RecordMaker = (domain) => [
  { name: `_smtp._tls.${domain}`, type: 'TXT', value: `v=TLSRPTv1; rua=mailto:${reportAddress(domain)}` },
]

// RFC 8659 §4.2
export const authorities: RecordMaker = (domain, { nodes }) =>
  [...new Set(nodes.map((node) => node.authority ?? ''))]
    .filter((name) => name !== '')
    .sort()
    .map((name) => ({ name: domain, type: 'CAA', value: `0 issue "${name}"` }))

/** RFC 7672 §3.1.1: `3 1 1`, the key in use first, then the one that comes next. */
export function keyRecords(node: NodeRecord): DnsRecord[] {
  const takesMail = node.hostName !== '' && node.services?.['smtp'] !== undefined
  return takesMail
    ? (node.tlsKeys ?? []).map((digest) => ({
        name: `_25._tcp.${node.hostName}`,
        type: 'TLSA',
        value: `3 1 1 ${digest}`,
      }))
    : []
}
