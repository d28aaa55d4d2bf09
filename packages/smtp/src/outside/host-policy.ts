// What TLS must show at one mail host: DANE (RFC 7672) before MTA-STS (RFC 8461) before whatever is offered (RFC 7435).
// Promises: a look-up that fails is never taken for "no policy"; nothing that a stranger on the way can do makes it less.
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import type { TlsPolicyFacts } from '@skein/reports'
import { type DnsResolver, SkeinError, type TlsaRecord, isErrorCode } from '@skein/runtime'
import type { FoundHosts, MailHost } from './mail-hosts.ts'
import { type Outcome, failure } from './outcome.ts'
import type { StsAnswer } from './sts-policies.ts'
import { namesHost } from './sts-policy.ts'
import type { TlsTerms, TlsVerdict } from './tls-terms.ts'
import { tlsaText, usableTlsa } from './tlsa.ts'

/**
 * What the letter asks for. policy: what the domain says. verified: REQUIRETLS, only to a host whose certificate is proved
 * (RFC 8689 §4.2). optional: `TLS-Required: No`, the domain's policies do not count (RFC 8689 §5).
 */
export type TlsWish = 'policy' | 'verified' | 'optional'

export interface PolicyRefusal {
  outcome: Outcome
  verdict: TlsVerdict
  policyDomain: string
  facts: TlsPolicyFacts
}

const noFacts: TlsPolicyFacts = { type: 'no-policy-found', strings: [], mxPatterns: [] }

/** @param sts the MTA-STS policy of the domain; null where none is asked for: a configured route. */
export async function termsFor(
  host: MailHost,
  found: FoundHosts,
  sts: StsAnswer | null,
  wish: TlsWish,
  resolver: DnsResolver,
): Promise<TlsTerms | PolicyRefusal> {
  const plain: TlsTerms = {
    demand: { kind: 'opportunistic' },
    serverName: host.name,
    isTrial: false,
    knownFault: null,
    policyDomain: found.domain,
    facts: noFacts,
    key: '',
  }
  if (wish === 'optional') return plain
  let tlsa: FoundTlsa | null
  try {
    tlsa = await findTlsa(host, found, resolver)
  } catch (error) {
    return daneLookupFailed(host, found.domain, error)
  }
  if (tlsa) {
    const dane = daneTerms(plain, tlsa, found)
    // RFC 7672 §2.2: records that nobody can use still say that there is TLS.
    if (dane.demand.kind === 'dane' || wish === 'policy') return dane
  }
  const policy = sts?.policy
  if (policy) return stsTerms(plain, host, found.domain, policy, wish)
  if (wish === 'policy') return plain
  // RFC 8689 §4.2.1: without a policy the name of the host must be beyond doubt in another way.
  if (found.isNameSure && isIP(host.name) === 0) return { ...plain, demand: { kind: 'webpki' }, key: 'webpki' }
  const text = `the letter asks for verified TLS, and neither DNSSEC nor MTA-STS vouches for the hosts of ${found.domain}`
  return refusal('permanent', { type: 'validation-failure', text }, found.domain, noFacts)
}

interface FoundTlsa {
  /** RFC 7672 §2.2.3: the name below which the records lie. */
  base: string
  records: readonly TlsaRecord[]
}

/** @throws SkeinError where an answer that is needed can't be had: then the host is left alone (RFC 7672 §2.1.2). */
async function findTlsa(host: MailHost, found: FoundHosts, resolver: DnsResolver): Promise<FoundTlsa | null> {
  if (!found.isNameSure || isIP(host.name) !== 0) return null
  const bases: string[] = []
  const { canonicalName } = host
  if (host.authentic) bases.push(...(canonicalName === undefined ? [] : [canonicalName]), host.name)
  // An alias in a signed zone that leads into an unsigned one: its own name may still have records.
  else if (canonicalName !== undefined && (await resolver.cname(host.name)).authentic) bases.push(host.name)
  for (const base of bases) {
    try {
      const { records, authentic } = await resolver.tlsa(`_${host.port}._tcp.${base}`)
      if (authentic && records.length > 0) return { base, records }
    } catch (error) {
      if (!isErrorCode(error, 'no-such-domain')) throw error
    }
  }
  return null
}

function daneTerms(plain: TlsTerms, { base, records }: FoundTlsa, found: FoundHosts): TlsTerms {
  const facts: TlsPolicyFacts = { type: 'tlsa', strings: records.map(tlsaText), mxPatterns: [] }
  const usable = usableTlsa(records)
  if (usable.length === 0) return { ...plain, demand: { kind: 'encrypted' }, serverName: base, facts, key: 'encrypted' }
  // RFC 7672 §3.2.2: the host, or the domain whose mail it takes.
  const names = [...new Set([base, plain.serverName, found.domain])]
  const digest = createHash('sha256')
    .update([...usable.map(tlsaText), ...names].join('\n'))
    .digest('hex')
  return { ...plain, demand: { kind: 'dane', records: usable, names }, serverName: base, facts, key: `dane ${digest}` }
}

function stsTerms(
  plain: TlsTerms,
  host: MailHost,
  domain: string,
  policy: NonNullable<StsAnswer['policy']>,
  wish: TlsWish,
): TlsTerms | PolicyRefusal {
  const facts: TlsPolicyFacts = { type: 'sts', strings: policy.lines, mxPatterns: policy.mx }
  const isTrial = policy.mode === 'testing' && wish === 'policy'
  const isNamed = namesHost(policy, host.name)
  const knownFault: TlsVerdict | null = isNamed
    ? null
    : { type: 'validation-failure', text: `${host.name} is not among the hosts of ${domain}’s MTA-STS policy` }
  if (knownFault && !isTrial) {
    return refusal(wish === 'verified' ? 'permanent' : 'temporary', knownFault, domain, facts)
  }
  return { ...plain, demand: { kind: 'webpki' }, isTrial, knownFault, facts, key: isTrial ? '' : 'webpki' }
}

function daneLookupFailed(host: MailHost, domain: string, error: unknown): PolicyRefusal {
  if (!(error instanceof SkeinError)) throw error
  const facts: TlsPolicyFacts = { type: 'tlsa', strings: [], mxPatterns: [] }
  const type = error.code === 'dns-bogus' ? 'dnssec-invalid' : 'tlsa-invalid'
  const text = `the TLSA records of ${host.name} are not known, so nothing is sent there: ${error.message}`
  return refusal('temporary', { type, text }, domain, facts)
}

function refusal(
  kind: 'temporary' | 'permanent',
  verdict: TlsVerdict,
  policyDomain: string,
  facts: TlsPolicyFacts,
): PolicyRefusal {
  const outcome = outcomeOfVerdict(verdict, kind, '')
  return { outcome, verdict, policyDomain, facts }
}

/** RFC 8689 §4.2.1, RFC 3463 §3.8: what a letter meets whose TLS is not as it must be. */
export function outcomeOfVerdict({ type, text }: TlsVerdict, kind: 'temporary' | 'permanent', hop: string): Outcome {
  const detail = kind === 'permanent' || type === 'starttls-not-supported' ? '7.10' : '7.5'
  const code = kind === 'permanent' ? 550 : 451
  return failure(kind, code, `${kind === 'permanent' ? 5 : 4}.${detail}`, text, { hop, tryNext: true })
}
