// DMARC (RFC 9989): what the owner of the author's domain wants done with a letter, given what SPF and DKIM found.
// Pure but for the DNS questions, which come through a port.
import type { DmarcDisposition } from '@skein/reports'
import type { DnsResolver } from '@skein/runtime'
import { authenticationLimits } from './limits.ts'
import type { DkimCheck, SpfCheck } from './ports.ts'
import { TreeWalks, type FoundRecord } from './tree-walk.ts'

export type DmarcResult = 'none' | 'pass' | 'fail' | 'temperror'

export interface DmarcCheck {
  result: DmarcResult
  domain: string
  /** The record that counts, and where it stands; undefined: none, or the DNS did not say. */
  policy: FoundRecord | undefined
  /**
   * What is asked for where the result is `fail`, after sp=, np= and t=. Of a `temperror` the most that may be asked for, as
   * far as is known.
   */
  disposition: DmarcDisposition
  dkimAligned: boolean
  spfAligned: boolean
  /** More than the result says, or ''. */
  reason: string
}

export interface DmarcQuestion {
  /** The author's domain: A-labels, lower case. */
  domain: string
  spf: readonly SpfCheck[]
  dkim: readonly DkimCheck[]
}

/** RFC 9989 §4.7: t=y asks for one step less. */
const whileTesting: Readonly<Record<DmarcDisposition, DmarcDisposition>> = {
  reject: 'quarantine',
  quarantine: 'none',
  none: 'none',
}

const strength: Readonly<Record<DmarcDisposition, number>> = { none: 0, quarantine: 1, reject: 2 }

/** Never throws: where the DNS does not answer the result is `temperror`. */
export async function evaluateDmarc(dns: Pick<DnsResolver, 'txt' | 'a'>, question: DmarcQuestion): Promise<DmarcCheck> {
  const walks = new TreeWalks(dns)
  const { domain } = question
  const unknown: DmarcCheck = {
    result: 'none',
    domain,
    policy: undefined,
    disposition: 'none',
    dkimAligned: false,
    spfAligned: false,
    reason: '',
  }
  let found: FoundRecord | undefined
  let organisation: string | undefined
  try {
    ;({ found, organisation } = await walks.policy(domain))
  } catch {
    return { ...unknown, result: 'temperror', reason: 'no answer about the policy of the domain' }
  }
  if (!found) return unknown
  if (!found.record.applies) return { ...unknown, reason: 'the policy record says nothing that counts' }
  const alignment = await aligned(walks, question, found, organisation)
  const asked = await dispositionOf(walks, domain, found)
  const common = {
    ...unknown,
    policy: found,
    disposition: asked.disposition,
    dkimAligned: alignment.dkim,
    spfAligned: alignment.spf,
  }
  if (alignment.dkim || alignment.spf) return { ...common, result: 'pass' }
  // RFC 9989 §5.3.2: what may yet pass has not failed.
  if (alignment.open !== '') return { ...common, result: 'temperror', reason: alignment.open }
  if (asked.open) return { ...common, result: 'temperror', reason: 'no answer whether the domain exists' }
  return { ...common, result: 'fail' }
}

/** p= for the domain's own record, else sp=, or np= for a name that does not exist (RFC 9989 §4.10.1). */
async function dispositionOf(
  walks: TreeWalks,
  domain: string,
  { domain: at, record }: FoundRecord,
): Promise<{ disposition: DmarcDisposition; open: boolean }> {
  const settled = (disposition: DmarcDisposition) => (record.testing ? whileTesting[disposition] : disposition)
  if (at === domain) return { disposition: settled(record.p), open: false }
  const existing = record.sp ?? record.p
  const missing = record.np
  if (missing === undefined || missing === existing) return { disposition: settled(existing), open: false }
  try {
    return { disposition: settled((await walks.exists(domain)) ? existing : missing), open: false }
  } catch {
    const most = strength[missing] > strength[existing] ? missing : existing
    return { disposition: settled(most), open: true }
  }
}

async function aligned(
  walks: TreeWalks,
  { domain, spf, dkim }: DmarcQuestion,
  { record }: FoundRecord,
  organisation: string | undefined,
): Promise<{ dkim: boolean; spf: boolean; open: string }> {
  let open = ''
  let asked = 0
  const matches = async (name: string, mode: 'r' | 's'): Promise<boolean> => {
    if (name === domain) return true
    // Its organisation is the name itself or stands above it, so only names under ours can have ours.
    if (mode === 's' || name === '') return false
    if (organisation === undefined) {
      if (name.split('.').at(-1) === domain.split('.').at(-1)) open = 'no answer about the organisation of the domain'
      return false
    }
    if (name !== organisation && !name.endsWith(`.${organisation}`)) return false
    if (++asked > authenticationLimits.alignmentWalksMax) return false
    try {
      return (await walks.organisation(name)) === organisation
    } catch {
      open = `no answer about the organisation of ${name}`
      return false
    }
  }
  // SPF first, so that a flood of signatures cannot use up the walk that it needs.
  const identity = dmarcIdentity(spf)
  const bySpf = identity?.result === 'pass' && (await matches(identity.domain, record.aspf))
  let byDkim = false
  const names = new Set(dkim.filter((it) => it.result === 'pass').map((it) => it.domain))
  for (const name of names) byDkim ||= await matches(name, record.adkim)
  const undecided = (result: string, name: string) => result === 'temperror' && mayAlign(name, domain)
  if (identity && undecided(identity.result, identity.domain)) open ||= 'SPF could not be checked'
  for (const it of dkim) if (undecided(it.result, it.domain)) open ||= 'a DKIM signature could not be checked'
  return { dkim: byDkim, spf: bySpf, open }
}

/** RFC 9989 §4.4.2: MAIL FROM counts, and HELO only in its place, for letters without a sender. */
export function dmarcIdentity(checks: readonly SpfCheck[]): SpfCheck | undefined {
  return checks.find((it) => it.scope === 'mfrom') ?? checks.find((it) => it.scope === 'helo')
}

/** A stranger's failing name server must not keep his forgery from being refused: only names that may align count. */
function mayAlign(name: string, domain: string): boolean {
  const tail = (text: string) => text.split('.').slice(-2).join('.')
  return name !== '' && tail(name) === tail(domain)
}
