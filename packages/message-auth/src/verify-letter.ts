// SPF, DKIM and ARC of one letter by mailauth, strictly by the RFCs, and its results in our words.
import { isIP } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { ArcCheck, ArcSet, CheckedLetter, DkimCheck, DkimResult, SpfCheck, SpfResult } from '@skein/filtering'
import { canonicalDomain, parseHeaderFields, splitAddress } from '@skein/mail'
import arcModule from 'mailauth/lib/arc/index.js'
import verifiers from 'mailauth/lib/dkim/dkim-verifier.js'
import spfModule from 'mailauth/lib/spf/index.js'
import { messageAuthLimits } from './limits.ts'
import { HeaderTooLarge, readHeader, type SplitLetter } from './read-header.ts'
import type { VerifyRequest } from './requests.ts'

export type Resolver = (name: string, type: string) => Promise<unknown>

export type LetterFacts = Pick<VerifyRequest, 'remoteAddress' | 'helo' | 'from' | 'hostName' | 'nowMs'>

export async function verifyLetter(
  letter: AsyncIterable<Uint8Array>,
  facts: LetterFacts,
  resolver: Resolver,
): Promise<CheckedLetter> {
  const [spf, rest] = await Promise.all([checkSpf(facts, resolver), checkSignatures(letter, facts, resolver)])
  return { spf, ...rest }
}

/* ------------------------------------------------------------------ SPF */

/** RFC 7208 §2.3, §2.4: HELO, and MAIL FROM, which for a bounce is HELO's. */
async function checkSpf(facts: LetterFacts, resolver: Resolver): Promise<SpfCheck[]> {
  const helo = domainOf(facts.helo)
  const checks: Promise<SpfCheck>[] = []
  if (helo !== '') checks.push(spfOf(facts, 'helo', helo, resolver))
  if (facts.from !== '') checks.push(spfOf(facts, 'mfrom', domainOf(splitAddress(facts.from).domain), resolver))
  return Promise.all(checks)
}

/** '' for an address literal or what is no name. */
function domainOf(text: string): string {
  const domain = canonicalDomain(text)
  return domain === undefined || domain.startsWith('[') ? '' : domain
}

async function spfOf(
  { remoteAddress, helo, from, hostName }: LetterFacts,
  scope: SpfCheck['scope'],
  domain: string,
  resolver: Resolver,
): Promise<SpfCheck> {
  // RFC 7208 §4.3: a name without a dot, or none.
  if (domain === '' || !domain.includes('.')) return { scope, domain, result: 'none', reason: '' }
  const { spfLookupsMax, spfVoidLookupsMax, spfTimeoutMs } = messageAuthLimits
  try {
    const found = await spfModule.spf({
      sender: scope === 'mfrom' ? `${splitAddress(from).local}@${domain}` : '',
      ip: plainIp(remoteAddress),
      helo,
      mta: hostName,
      resolver,
      strict: true,
      maxResolveCount: spfLookupsMax,
      maxVoidCount: spfVoidLookupsMax,
      maxElapsedTime: spfTimeoutMs,
    })
    const result = found.status.result as SpfResult
    const isError = result === 'permerror' || result === 'temperror'
    return { scope, domain, result, reason: isError ? reasonIn(found.status.comment, domain) : '' }
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

/* ------------------------------------------------------------------ DKIM and ARC */

const noChain: ArcCheck = { result: 'none', reason: '', sets: [], instance: 0, sealable: true }

class Verifier extends verifiers.DkimVerifier {
  #signatures = 0

  override prepareSignature(header: { type: string; skip?: string }): void {
    if (header.type === 'DKIM' && ++this.#signatures > messageAuthLimits.signaturesMax) {
      header.skip = 'too many signatures'
      Object.assign(header, { warnings: [], signingDomain: '', selector: '', identity: '' })
      return
    }
    super.prepareSignature(header)
  }
}

async function checkSignatures(
  letter: AsyncIterable<Uint8Array>,
  { nowMs }: LetterFacts,
  resolver: Resolver,
): Promise<Omit<CheckedLetter, 'spf'>> {
  let split: SplitLetter
  try {
    split = await readHeader(letter)
  } catch (error) {
    if (!(error instanceof HeaderTooLarge)) throw error
    for await (const _ of letter);
    return { dkim: [unreadable], arc: { ...noChain, sealable: false }, from: [] }
  }
  const { header, rest } = split
  const from = parseHeaderFields(header)
    .filter((field) => field.lower === 'from')
    .map((field) => header.toString('utf8', field.valueStart, field.end))
  const strict = true
  const minBitLength = messageAuthLimits.rsaKeyBitsMin
  const verifier = new Verifier({ resolver, minBitLength, strict, sender: '<>', curTime: new Date(nowMs) })
  await pipeline(async function* () {
    yield header
    yield* rest
  }, verifier)
  const dkim = verifier.results.filter((it) => it.status.result !== 'none').map(dkimCheck)
  return { dkim, arc: await checkChain(verifier.arc, { resolver, minBitLength, strict }), from }
}

const unreadable: DkimCheck = {
  domain: '',
  selector: '',
  identity: '',
  algorithm: '',
  result: 'policy',
  reason: 'the header is too large to be checked',
  signatureHead: '',
}

/** RFC 6376 §6.1.2 calls these PERMFAIL; what is wrong with the signature itself stays `neutral` (RFC 8601 §2.7.1). */
const keyFaults: ReadonlySet<string> = new Set([
  'no key',
  'unknown key version',
  'unknown key type',
  'invalid public key',
  'inappropriate hash algorithm',
  'inappropriate key algorithm',
  'key not for email',
])

function dkimCheck({ signingDomain, selector, signature, algo, status }: SignatureResult): DkimCheck {
  let result = status.result as DkimResult
  let reason = status.comment || (status.policy?.['dkim-rules'] ?? '')
  if (result === 'neutral' && keyFaults.has(reason)) result = 'permerror'
  // RFC 6376 §8.2: whoever changes a letter may put anything behind what l= covers.
  if (result === 'pass' && (status.underSized ?? 0) > 0) {
    result = 'policy'
    reason = 'the signature leaves out a part of the body (l=)'
  }
  return {
    domain: domainOf(signingDomain ?? '') || (signingDomain ?? '').toLowerCase(),
    selector: selector ?? '',
    identity: status.header?.i || '',
    algorithm: algo ?? '',
    result,
    reason,
    signatureHead: (signature ?? '').replace(/\s/g, '').slice(0, 8),
  }
}

async function checkChain(
  data: ArcData,
  options: { resolver: Resolver; minBitLength: number; strict: boolean },
): Promise<ArcCheck> {
  const links = data.chain || []
  if (links.length === 0 && !data.error) return noChain
  const { status } = await arcModule.arc(data, options)
  const instance = data.lastEntry?.i ?? 0
  const closed = textOf(data.lastEntry?.['arc-seal']?.parsed?.['cv']?.value).toLowerCase() === 'fail'
  const isPass = status.result === 'pass'
  return {
    result: isPass ? 'pass' : 'fail',
    reason: status.comment && !isPass ? status.comment : '',
    sets: isPass ? links.map(setOf).toReversed() : [],
    instance,
    // A chain that cannot even be read gets no further set: nobody could read it then either.
    sealable: !closed && !data.error && instance < 50,
  }
}

function setOf(link: ArcLink): ArcSet {
  const line = link['arc-authentication-results']?.original?.toString() ?? ''
  const value = line.slice(line.indexOf(':') + 1).replace(/\r?\n(?=[ \t])/g, '')
  return {
    instance: link.i,
    sealer: domainOf(textOf(link['arc-seal']?.parsed?.['d']?.value)),
    results: value.slice(value.indexOf(';') + 1).trim(),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : ''
}
