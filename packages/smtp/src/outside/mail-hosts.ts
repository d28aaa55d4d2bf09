// Which hosts take mail for a domain, in the order to try them (RFC 5321 §5.1, RFC 7505).
// Promises: never this node itself, so that a wrong DNS record makes no loop.
import { isIP } from 'node:net'
import { type DnsResolver, type Random, SkeinError, isErrorCode, plainAddress } from '@skein/runtime'
import { type Outcome, failure } from './outcome.ts'

export interface MailHost {
  name: string
  address: string
  port: number
}

export interface MailHostSettings {
  /** `'<domain>'` or `'*'` to `'host:port'` (`'[v6]:port'`): sends that domain's mail there, without asking for MX. */
  routes: Readonly<Record<string, string>>
  /** Names and addresses of this node, and the ports on which it takes mail. */
  own: { hostNames: readonly string[]; addresses: readonly string[]; ports: readonly number[] }
  addressesTriedMax: number
  mxRecordsMax: number
}

interface Candidate {
  name: string
  port: number
  preference: number
}

export async function findMailHosts(
  domain: string,
  { resolver, random }: { resolver: DnsResolver; random: Random },
  settings: MailHostSettings,
): Promise<{ hosts: MailHost[] } | { failed: Outcome }> {
  let candidates: Candidate[] | { failed: Outcome }
  try {
    candidates = await candidatesOf(domain, resolver, random, settings)
  } catch (error) {
    return { failed: outcomeOfLookup(error) }
  }
  if ('failed' in candidates) return candidates
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
  const hosts = better.flatMap(({ candidate: { name, port }, addresses }) =>
    addresses.map((address) => ({ name, port, address })),
  )
  if (hosts.length > 0) return { hosts: hosts.slice(0, settings.addressesTriedMax) }
  const unanswered = better.find(({ error }) => error !== undefined)
  if (unanswered) return { failed: outcomeOfLookup(unanswered.error) }
  return { failed: failure('permanent', 550, '5.4.4', `no host that takes mail for ${domain} has an address`) }
}

async function candidatesOf(
  domain: string,
  resolver: DnsResolver,
  random: Random,
  settings: MailHostSettings,
): Promise<Candidate[] | { failed: Outcome }> {
  const route = settings.routes[domain] ?? settings.routes['*']
  if (route !== undefined) {
    const { host, port } = parseRoute(route)
    return [{ name: host, port, preference: 0 }]
  }
  const literal = /^\[(?:IPv6:)?([0-9a-f.:]+)\]$/i.exec(domain)?.[1]
  if (literal !== undefined) return [{ name: literal, port: 25, preference: 0 }]
  const { records } = await resolver.mx(domain)
  // RFC 5321 §5.1: without MX the domain is its own host.
  if (records.length === 0) return [{ name: domain, port: 25, preference: 0 }]
  const named = records.filter(({ exchange }) => exchange !== '' && exchange !== '.')
  if (named.length === 0) {
    // RFC 7505 §3.
    return { failed: failure('permanent', 556, '5.1.10', `the domain ${domain} takes no mail (null MX)`) }
  }
  return named
    .map(({ exchange, preference }) => ({ name: exchange, port: 25, preference, order: random.next() }))
    .toSorted((a, b) => a.preference - b.preference || a.order - b.order)
    .slice(0, settings.mxRecordsMax)
}

async function lookUp(
  candidate: Candidate,
  resolver: DnsResolver,
): Promise<{ candidate: Candidate; addresses: readonly string[]; error?: unknown }> {
  try {
    return { candidate, addresses: await addressesOf(candidate.name, resolver) }
  } catch (error) {
    return { candidate, addresses: [], error }
  }
}

/** IPv4 first, then IPv6; empty where the host has none. @throws SkeinError `dns-bogus`, `dns-failed` */
async function addressesOf(host: string, resolver: DnsResolver): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const answers = await Promise.allSettled([resolver.a(host), resolver.aaaa(host)])
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value.records : []))
  if (addresses.length > 0) return addresses
  for (const answer of answers) {
    if (answer.status === 'rejected' && !isErrorCode(answer.reason, 'no-such-domain')) throw answer.reason
  }
  return []
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
