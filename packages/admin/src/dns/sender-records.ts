// Who may send as a domain, and how a letter proves it: SPF, DKIM, DMARC.
import { dnsLimits } from '../limits.ts'
import { type DnsRecord, type RecordMaker, publishedAddresses, typeOf } from './zone.ts'

/** Where others are asked to send their reports about a domain; every domain has it (RFC 5321 §4.5.1). */
export const reportAddress = (domain: string): string => `postmaster@${domain}`

/**
 * RFC 7208 §5.6, and §3.4 on size: addresses are written out, so that nobody has to look them up; more than fit into one answer
 * are divided among `_spf1.<domain>` and so on. A disabled node still sends what its own users write.
 */
export const senderPolicy: RecordMaker = (domain, { nodes }) => {
  const addresses = new Set(nodes.filter((node) => !node.witness).flatMap(publishedAddresses))
  const mechanisms = [...addresses].sort().map((address) => `${typeOf(address) === 'A' ? 'ip4' : 'ip6'}:${address}`)
  const text = (value: readonly string[], name = domain): DnsRecord => ({
    name,
    type: 'TXT',
    value: ['v=spf1', ...value, '-all'].join(' '),
  })
  const whole = text(mechanisms)
  if (whole.value.length <= dnsLimits.senderPolicyBytesMax) return [whole]
  const parts: string[][] = [[]]
  for (const mechanism of mechanisms) {
    const part = parts.at(-1) as string[]
    if (text([...part, mechanism]).value.length <= dnsLimits.senderPolicyBytesMax) part.push(mechanism)
    else parts.push([mechanism])
  }
  const names = parts.map((_part, index) => `_spf${index + 1}.${domain}`)
  return [text(names.map((name) => `include:${name}`)), ...parts.map((part, index) => text(part, names[index]))]
}

// RFC 6376 §3.6.1. Each node signs with keys of its own, so that a stolen one can be taken out of the DNS alone.
export const signingKeys: RecordMaker = (domain, { nodes }) =>
  nodes.flatMap((node) =>
    (node.dkim ?? []).map(({ selector, record }) => ({
      name: `${selector}._domainkey.${domain}`,
      type: 'TXT' as const,
      value: record,
    })),
  )

/** Asks for reports and changes nothing for receivers: an operator makes it `quarantine` or `reject` when the reports say so. */
export const alignmentPolicy: RecordMaker = (domain) => [
  { name: `_dmarc.${domain}`, type: 'TXT', value: `v=DMARC1; p=none; rua=mailto:${reportAddress(domain)}` },
]
