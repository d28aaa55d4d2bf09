// SPF, DKIM and ARC of one letter that passes by once.
import type { CheckedLetter, DkimCheck } from '@skein/filtering'
import { parseHeaderFields } from '@skein/mail'
import { createChainCheck, hasChain, noChain } from './check-chain.ts'
import { createSignatureChecks } from './check-signatures.ts'
import { checkSpf, domainOf, type SpfMemory } from './check-spf.ts'
import { letterFields } from './letter-fields.ts'
import { createPublicKeys } from './public-keys.ts'
import { HeaderTooLarge, readHeader, type SplitLetter } from './read-header.ts'
import type { VerifyRequest } from './requests.ts'

export type Resolver = (name: string, type: string) => Promise<unknown>

export type LetterFacts = Pick<VerifyRequest, 'remoteAddress' | 'helo' | 'from' | 'hostName' | 'nowMs'>

export async function verifyLetter(
  letter: AsyncIterable<Uint8Array>,
  facts: LetterFacts,
  resolver: Resolver,
  spfMemory?: SpfMemory,
): Promise<CheckedLetter> {
  const [spf, rest] = await Promise.all([
    checkSpf(facts, resolver, spfMemory),
    checkSignatures(letter, facts.nowMs, resolver),
  ])
  return { spf, ...rest }
}

export async function checkSignatures(
  letter: AsyncIterable<Uint8Array>,
  nowMs: number,
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
  const fields = letterFields(header)
  const keys = createPublicKeys(resolver)
  const signatures = createSignatureChecks(fields, { keys, domainOf, nowMs })
  const chain = hasChain(fields) ? await createChainCheck(header, keys, nowMs) : undefined
  for await (const chunk of rest) {
    signatures.update(chunk)
    await chain?.update(chunk)
  }
  const dkim = await signatures.results()
  return { dkim, arc: chain ? await chain.result() : noChain, from }
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
