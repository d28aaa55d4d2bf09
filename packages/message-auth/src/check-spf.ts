// SPF of a letter (RFC 7208) by mailauth, strictly. What it found for one sender at one address serves his next letters for as
// long as the answers of the DNS do.
import { isIP } from 'node:net'
import type { SpfCheck, SpfResult } from '@skein/filtering'
import { canonicalDomain, splitAddress } from '@skein/mail'
import spfModule from 'mailauth/lib/spf/index.js'
import type { Kept } from './kept.ts'
import { messageAuthLimits } from './limits.ts'
import type { VerifyRequest } from './requests.ts'

type Resolver = (name: string, type: string) => Promise<unknown>
export type SpfFacts = Pick<VerifyRequest, 'remoteAddress' | 'helo' | 'from' | 'hostName'>

/** Findings by scope, address, HELO name and domain. */
export type SpfMemory = Kept<SpfCheck>

/** RFC 7208 §2.3, §2.4: HELO, and MAIL FROM, which for a bounce is HELO's. */
export async function checkSpf(facts: SpfFacts, resolver: Resolver, memory?: SpfMemory): Promise<SpfCheck[]> {
  const helo = domainOf(facts.helo)
  const { local, domain } = splitAddress(facts.from)
  const checks: Promise<SpfCheck>[] = []
  if (helo !== '') checks.push(spfOf(facts, { scope: 'helo', domain: helo, local: '' }, resolver, memory))
  if (facts.from !== '')
    checks.push(spfOf(facts, { scope: 'mfrom', domain: domainOf(domain), local }, resolver, memory))
  return Promise.all(checks)
}

/** '' for an address literal or what is no name. */
export function domainOf(text: string): string {
  const domain = canonicalDomain(text)
  return domain === undefined || domain.startsWith('[') ? '' : domain
}

interface Identity {
  scope: SpfCheck['scope']
  domain: string
  local: string
}

async function spfOf(
  facts: SpfFacts,
  identity: Identity,
  resolver: Resolver,
  memory: SpfMemory | undefined,
): Promise<SpfCheck> {
  const { scope, domain } = identity
  // RFC 7208 §4.3: a name without a dot, or none.
  if (domain === '' || !domain.includes('.')) return { scope, domain, result: 'none', reason: '' }
  const key = `${scope} ${facts.remoteAddress} ${domain} ${facts.helo}`
  return memory?.get(key) ?? evaluated(facts, identity, resolver, (check) => memory?.keep(key, check))
}

/** §7.2: what no macro asks for of the local part counts for every sender of the domain. */
const localPartMacro = /%\{[ls]/i

async function evaluated(
  { remoteAddress, helo, hostName }: SpfFacts,
  { scope, domain, local }: Identity,
  resolver: Resolver,
  keep: (check: SpfCheck) => void,
): Promise<SpfCheck> {
  const { spfLookupsMax, spfVoidLookupsMax, spfTimeoutMs } = messageAuthLimits
  let isPersonal = false
  try {
    const found = await spfModule.spf({
      sender: scope === 'mfrom' ? `${local}@${domain}` : '',
      ip: plainIp(remoteAddress),
      helo,
      mta: hostName,
      resolver: async (name, type) => {
        const records = await resolver(name, type)
        if (type === 'TXT' && localPartMacro.test(JSON.stringify(records))) isPersonal = true
        return records
      },
      strict: true,
      maxResolveCount: spfLookupsMax,
      maxVoidCount: spfVoidLookupsMax,
      maxElapsedTime: spfTimeoutMs,
    })
    const result = found.status.result as SpfResult
    const isError = result === 'permerror' || result === 'temperror'
    const reason = isError ? reasonIn(found.status.comment, domain) : ''
    const check: SpfCheck = { scope, domain, result, reason }
    if (result !== 'temperror' && !isPersonal) keep(check)
    return check
  } catch (error) {
    return { scope, domain, result: 'temperror', reason: (error as Error).message }
  }
}

/** mailauth says `<host>: … during lookup of <sender>: <what went wrong>`. */
function reasonIn(comment: string | undefined, domain: string): string {
  const said = comment ?? ''
  const at = said.indexOf(`${domain}: `)
  return at < 0 ? '' : said.slice(at + domain.length + 2)
}

function plainIp(address: string): string {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
  return isIP(plain) ? plain : '0.0.0.0'
}
