// Whose name a letter carries: the domain of its From field (RFC 9989 §5.3.1).
import { canonicalDomain, parseAddressList } from '@skein/mail'

export type AuthorDomain =
  | { kind: 'one'; domain: string }
  /** RFC 5322 §3.6 wants exactly one From field. */
  | { kind: 'no-from' | 'several-from' }
  /** An address without a domain, a domain that is none, a group without members. */
  | { kind: 'no-domain' }
  /** RFC 9989 §5.3.1: letters of authors in several domains are exempt from DMARC. */
  | { kind: 'several-domains'; domains: readonly string[] }

/** @param fields values of the From fields, unfolded or not */
export function authorDomain(fields: readonly string[]): AuthorDomain {
  const [field] = fields
  if (field === undefined) return { kind: 'no-from' }
  if (fields.length > 1) return { kind: 'several-from' }
  const domains = new Set<string>()
  let unusable = false
  // Members of groups are authors like others (RFC 6854).
  for (const { mailbox, host } of parseAddressList(field.replace(/\r?\n(?=[ \t])/g, ''))) {
    if (mailbox === null || host === null) continue
    const domain = isLiteral(host) ? undefined : canonicalDomain(host)
    if (domain === undefined) unusable = true
    else domains.add(domain)
  }
  if (domains.size > 1) return { kind: 'several-domains', domains: [...domains] }
  const [domain] = domains
  // Of an address that cannot be read nobody knows what a mail program shows.
  return domain === undefined || unusable ? { kind: 'no-domain' } : { kind: 'one', domain }
}

function isLiteral(host: string): boolean {
  return host.startsWith('[')
}
