// mailauth's reading of a letter's signatures, in our words: the other opinion that our own verifier is held against.
import type { DkimCheck, DkimResult } from '@skein/filtering'
import { canonicalDomain } from '@skein/mail'
import verifiers from 'mailauth/lib/dkim/dkim-verifier.js'
import tools from 'mailauth/lib/tools.js'
import { createPublicKeys } from '../src/public-keys.ts'

type Resolver = Parameters<typeof createPublicKeys>[0]

export async function otherVerdicts(
  header: Buffer,
  body: readonly Uint8Array[],
  nowMs: number,
  resolver: Resolver,
): Promise<DkimCheck[]> {
  const verifier = new verifiers.DkimVerifier({
    resolver,
    minBitLength: 1024,
    strict: true,
    sender: '<>',
    curTime: new Date(nowMs),
  })
  verifier.keyCache = createPublicKeys(resolver)
  verifier.headers = tools.parseHeaders(header)
  await verifier.messageHeaders(verifier.headers)
  for (const chunk of body) await verifier.nextChunk(chunk)
  await verifier.finalChunk()
  return verifier.results.filter((it) => it.status.result !== 'none').map(inOurWords)
}

/** RFC 6376 §6.1.2 calls these PERMFAIL; mailauth says `neutral`. */
const keyFaults: ReadonlySet<string> = new Set([
  'no key',
  'unknown key version',
  'unknown key type',
  'invalid public key',
  'inappropriate hash algorithm',
  'inappropriate key algorithm',
  'key not for email',
])

function inOurWords({ signingDomain = '', selector, signature, algo, status }: SignatureResult): DkimCheck {
  let result = status.result as DkimResult
  let reason = status.comment || (status.policy?.['dkim-rules'] ?? '')
  if (result === 'neutral' && keyFaults.has(reason)) result = 'permerror'
  if (result === 'pass' && (status.underSized ?? 0) > 0) {
    result = 'policy'
    reason = 'the signature leaves out a part of the body (l=)'
  }
  const canonical = canonicalDomain(signingDomain) ?? ''
  return {
    domain: canonical.startsWith('[') || canonical === '' ? signingDomain.toLowerCase() : canonical,
    selector: selector ?? '',
    identity: status.header?.i || '',
    algorithm: algo ?? '',
    result,
    reason,
    signatureHead: (signature ?? '').slice(0, 8),
  }
}
