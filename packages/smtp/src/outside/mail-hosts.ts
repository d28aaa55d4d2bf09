// Which hosts take mail for a domain, in the order to try them (RFC 5321 §5.1, RFC 7505).
// Promises: never this node itself, so that a wrong DNS record makes no loop.
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { type DnsResolver, type Random, SkeinError, isErrorCode, plainAddress } from '@skein/runtime'
import { type Outcome, failure } from './outcome.ts'

export interface MailHost {
  name: string
  address: string
  port: number
  /** DNSSEC vouches for its addresses. */
  authentic: boolean
  /** Where CNAMEs led from `name`. */
  canonicalName?: string
}

export interface FoundHosts {
  /** Of the recipients, as A-labels; of a configured route its host. */
  domain: string
  /** In the order to try them. */
  hosts: MailHost[]
  /** The names of the hosts are beyond doubt: DNSSEC vouches for them, or the operator gave them. */
  isNameSure: boolean
  /** mx: found in the DNS, and the domain's own policies count. */
  way: 'mx' | 'route' | 'literal'
}

export interface MailHostSettings {
  /** `'<domain>'` or `'*'` to `'host:port'` (`'[v6]:port'`): sends that domain's mail there, without asking for MX. */
  routes: Readonly<Record<string, string>>
  /** Names and addresses of this node, and the ports on which it takes mail. */
  own: { hostNames: readonly string[]; addresses: readonly string[]; ports: readonly number[] }
  addressesTriedMax: number
  mxRecordsMax: number
  /** Which addresses of a host, and in which order. */
  sorted: (addresses: readonly string[]) => string[]
}

interface Candidate {
  name: string
  port: number
  preference: number
}

interface Candidates extends Omit<FoundHosts, 'hosts'> {
  candidates: Candidate[]
}

interface Addresses {
  addresses: readonly string[]
  authentic: boolean
  canonicalName?: string
}

export async function findMailHosts(
  domain: string,
  { resolver, random }: { resolver: DnsResolver; random: Random },
  settings: MailHostSettings,
): Promise<FoundHosts | { failed: Outcome }> {
  let found: Candidates | { failed: Outcome }
  try {
    found = await candidatesOf(domain, resolver, random, settings)
  } catch (error) {
    return { failed: outcomeOfLookup(error) }
  }
  if ('failed' in found) return found
  const { candidates, ...rest } = found
  const looked = await Promise.all(candidates.map((candidate) => lookUp(candidate, resolver)))
  let selfPreference = Infinity
  for (const { candidate, addresses } of looked) {
    if (isSelf(candidate, addresses, settings)) selfPreference = Math.min(selfPreference, candidate.preference)
  }
  // RFC 5321 §5.1: being one of the hosts, we may send only to those that are preferred over us.
  const better = looked.filter(({ candidate }) => candidate.preference < selfPreference)
  if (better.length === 0) {
    return { failed: failure('permanent', 554, '5.4.6', `mail for ${domain} would come back to this node`) }
  }
  const hosts = better.flatMap(({ candidate: { name, port }, addresses, authentic, canonicalName }) =>
    settings.sorted(addresses).map((address) => ({
      name,
      port,
      address,
      authentic,
      ...(canonicalName === undefined ? {} : { canonicalName }),
    })),
  )
  if (hosts.length > 0) return { ...rest, hosts: hosts.slice(0, settings.addressesTriedMax) }
  const unanswered = better.find(({ error }) => error !== undefined)
  if (unanswered) return { failed: outcomeOfLookup(unanswered.error) }
  return { failed: failure('permanent', 550, '5.4.4', `no host that takes mail for ${domain} has an address`) }
}

async function candidatesOf(
  given: string,
  resolver: DnsResolver,
  random: Random,
  settings: MailHostSettings,
): Promise<Candidates | { failed: Outcome }> {
  const route = settings.routes[given] ?? settings.routes['*']
  if (route !== undefined) {
    const { host, port } = parseRoute(route)
    return { domain: host, candidates: [{ name: host, port, preference: 0 }], isNameSure: true, way: 'route' }
  }
  const literal = /^\[(?:IPv6:)?([0-9a-f.:]+)\]$/i.exec(given)?.[1]
  if (literal !== undefined) {
    return {
      domain: literal,
      candidates: [{ name: literal, port: 25, preference: 0 }],
      isNameSure: false,
      way: 'literal',
    }
  }
  // RFC 6531 §3.7.1: the DNS knows A-labels.
  const domain = domainToASCII(given)
  if (domain === '') return { failed: failure('permanent', 550, '5.1.2', `${given} is no domain`) }
  const { records, authentic } = await resolver.mx(domain)
  const found = { domain, isNameSure: authentic, way: 'mx' as const }
  // RFC 5321 §5.1: without MX the domain is its own host.
  if (records.length === 0) return { ...found, candidates: [{ name: domain, port: 25, preference: 0 }] }
  const named = records.filter(({ exchange }) => exchange !== '' && exchange !== '.')
  if (named.length === 0) {
    // RFC 7505 §3.
    return { failed: failure('permanent', 556, '5.1.10', `the domain ${domain} takes no mail (null MX)`) }
  }
  const candidates = named
    .map(({ exchange, preference }) => ({ name: exchange, port: 25, preference, order: random.next() }))
    .toSorted((a, b) => a.preference - b.preference || a.order - b.order)
    .slice(0, settings.mxRecordsMax)
  return { ...found, candidates }
}

async function lookUp(
  candidate: Candidate,
  resolver: DnsResolver,
): Promise<Addresses & { candidate: Candidate; error?: unknown }> {
  try {
    return { candidate, ...(await addressesOf(candidate.name, resolver)) }
  } catch (error) {
    return { candidate, addresses: [], authentic: false, error }
  }
}

/**
 * Of both families; none where the host has none. An MX that is an address (RFC 5321 §5.1 forbids it) is taken as it is meant.
 * @throws SkeinError `dns-bogus`, `dns-failed`
 */
async function addressesOf(host: string, resolver: DnsResolver): Promise<Addresses> {
  if (isIP(host) !== 0) return { addresses: [host], authentic: false }
  const answers = await Promise.allSettled([resolver.a(host), resolver.aaaa(host)])
  const good = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const addresses = good.flatMap(({ records }) => records)
  if (addresses.length === 0) {
    for (const answer of answers) {
      if (answer.status === 'rejected' && !isErrorCode(answer.reason, 'no-such-domain')) throw answer.reason
    }
  }
  const canonicalName = good.find((answer) => answer.canonicalName !== undefined)?.canonicalName
  return {
    addresses,
    authentic: good.length > 0 && good.every((answer) => answer.authentic),
    ...(canonicalName === undefined ? {} : { canonicalName }),
  }
}

function isSelf({ name, port }: Candidate, addresses: readonly string[], { own }: MailHostSettings): boolean {
  if (!own.ports.includes(port)) return false
  const host = name.toLowerCase().replace(/\.$/, '')
  return (
    (isIP(host) === 0 && own.hostNames.some((ownName) => ownName.toLowerCase() === host)) ||
    addresses.some((address) => own.addresses.includes(plainAddress(address)))
  )
}

function outcomeOfLookup(error: unknown): Outcome {
  if (error instanceof SkeinError) {
    // RFC 3463 §3.2, §3.5.
    if (error.kind === 'permanent') return failure('permanent', 550, '5.1.2', error.message)
    return failure('temporary', 451, '4.4.3', error.message)
  }
  return failure('temporary', 451, '4.4.3', 'the name look-up failed')
}

/** @throws RangeError for what is no `host:port`. */
export function parseRoute(route: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(route)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? 25)
  if (host === undefined || port < 1 || port > 65_535) throw new RangeError(`not a host and port: ${route}`)
  return { host, port }
}
