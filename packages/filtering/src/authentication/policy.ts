// What is done about what was found out: taken, filed under Junk, or refused. Pure.
import type { DmarcDisposition } from '@skein/reports'
import { trustedForwarder } from './arc-trust.ts'
import type { AuthorDomain } from './author-domain.ts'
import { dmarcIdentity, type DmarcCheck } from './dmarc.ts'
import type { CheckedLetter } from './ports.ts'

export interface AuthenticationPolicy {
  /** enforce: what the owner of the domain asks for; quarantine: at the most Junk; record: nothing but the header field. */
  dmarc: 'enforce' | 'quarantine' | 'record'
  /** A sender whose SPF record says `-all` about the address, where DMARC has nothing to say. */
  spfFail: 'record' | 'refuse'
  /**
   * The DNS does not say. accept: the letter is taken all the same; retry-strict: it is to come again where the owner of the
   * domain asks for quarantine or reject; retry: it is to come again.
   */
  dnsTrouble: 'accept' | 'retry-strict' | 'retry'
  /** Domains (A-labels, lower case) whose ARC seals are believed. */
  trustedSealers: readonly string[]
}

export const defaultAuthenticationPolicy: AuthenticationPolicy = {
  dmarc: 'enforce',
  spfFail: 'record',
  dnsTrouble: 'retry-strict',
  trustedSealers: [],
}

export type Decision = (
  | { verdict: 'take' | 'junk' }
  | { verdict: 'refuse'; code: number; status: string; text: string }
) & {
  /** For DMARC reports: what was done, and why it is not what the policy says. */
  disposition: DmarcDisposition
  override: { reason: '' | 'local_policy' | 'trusted_forwarder'; comment: string }
  /** One sentence for `skein trace`, or ''. */
  detail: string
}

export interface Findings {
  author: AuthorDomain
  checked: CheckedLetter
  /** Undefined: the letter names no single domain. */
  dmarc: DmarcCheck | undefined
}

const noOverride = { reason: '', comment: '' } as const

export function decide({ author, checked, dmarc }: Findings, policy: AuthenticationPolicy): Decision {
  const taken: Decision = { verdict: 'take', disposition: 'none', override: noOverride, detail: '' }
  // RFC 5322 §3.6: one From field. With several, a signature may cover one while mail programs show another.
  if (author.kind === 'several-from') {
    return refused(taken, 550, '5.6.0', 'the letter has more than one From field (RFC 5322 section 3.6)')
  }
  // RFC 9989 §11.5: letters to which DMARC cannot be applied are suspicious.
  if (author.kind !== 'one') return { ...taken, verdict: 'junk', detail: sentences[author.kind] }
  if (dmarc?.result === 'fail') return failed(dmarc, checked, policy, taken)
  if (policy.dnsTrouble !== 'accept' && dmarc?.result === 'temperror') {
    const isStrict = dmarc.disposition !== 'none' && policy.dmarc !== 'record'
    if (isStrict || policy.dnsTrouble === 'retry') {
      const text = `DMARC of ${dmarc.domain} can't be checked now (${dmarc.reason}), try again later`
      return refused(taken, 451, '4.7.0', text)
    }
  }
  const identity = dmarcIdentity(checked.spf)
  if (policy.dnsTrouble === 'retry' && identity?.result === 'temperror' && dmarc?.result !== 'pass') {
    return refused(taken, 451, '4.7.24', `SPF of ${identity.domain} can't be checked now, try again later`)
  }
  // RFC 7208 §8.4, and RFC 9989 §5.4: SPF alone does not decide where DMARC does.
  if (policy.spfFail === 'refuse' && identity?.result === 'fail' && dmarc?.result !== 'pass') {
    // RFC 7372 §3.2.
    return refused(taken, 550, '5.7.23', `SPF: ${identity.domain} does not let your address send in its name`)
  }
  return taken
}

const sentences: Readonly<Record<Exclude<AuthorDomain['kind'], 'one' | 'several-from'>, string>> = {
  'no-from': 'filed under Junk: there is no From field',
  'no-domain': 'filed under Junk: the From field names no domain',
  'several-domains': 'filed under Junk: the From field names several domains',
}

function refused(taken: Decision, code: number, status: string, text: string): Decision {
  return { ...taken, verdict: 'refuse', code, status, text, detail: text }
}

function failed(dmarc: DmarcCheck, checked: CheckedLetter, policy: AuthenticationPolicy, taken: Decision): Decision {
  const { disposition, domain } = dmarc
  const reason = `DMARC failed for ${domain}: ${whatFailed(checked)}`
  if (disposition === 'none') return { ...taken, detail: reason }
  const forwarder = trustedForwarder(checked.arc, domain, policy.trustedSealers)
  if (forwarder !== undefined) {
    const comment = `arc=pass, sealed by ${forwarder}`
    return { ...taken, override: { reason: 'trusted_forwarder', comment }, detail: `${reason}; taken: ${comment}` }
  }
  const local = (comment: string) => ({ reason: 'local_policy', comment }) as const
  if (policy.dmarc === 'record') {
    return { ...taken, override: local('recorded only'), detail: `${reason}; recorded only` }
  }
  if (disposition === 'reject' && policy.dmarc === 'enforce') {
    const at = dmarc.policy && dmarc.policy.domain !== domain ? ` (policy of ${dmarc.policy.domain})` : ''
    const text = `rejected by the DMARC policy of ${domain}${at}: ${whatFailed(checked)}`
    return { ...refused(taken, 550, '5.7.1', text), disposition: 'reject', detail: reason }
  }
  const override = disposition === 'reject' ? local('quarantined at the most') : noOverride
  return { ...taken, verdict: 'junk', disposition: 'quarantine', override, detail: `filed under Junk: ${reason}` }
}

/** What the sender's postmaster needs to know. */
function whatFailed({ spf, dkim }: CheckedLetter): string {
  const identity = dmarcIdentity(spf)
  const signatures = new Set(dkim.map((it) => `${it.result} for ${it.domain || 'no domain'}`))
  const named = [...signatures].slice(0, 3).join(', ')
  return `SPF ${identity ? `${identity.result} for ${identity.domain || 'no domain'}` : 'none'}, DKIM ${named || 'none'}`
}
