// The DKIM signatures of a letter (RFC 6376 §6) over its header and the hashes of its body. Of each the result word and reason that
// mailauth's strict mode gives it, which a property test holds it to.
import { createHash, verify } from 'node:crypto'
import type { DkimCheck, DkimResult } from '@skein/filtering'
import tools from 'mailauth/lib/tools.js'
import { createBodyHash, type BodyHash } from './body-hash.ts'
import { readSignature, type DkimSignature } from './dkim-signature.ts'
import { relaxedField, type LetterField } from './letter-fields.ts'
import { messageAuthLimits } from './limits.ts'
import type { PublicKey, PublicKeys } from './public-keys.ts'
import { withoutSignature } from './tag-list.ts'

export interface SignatureChecks {
  update(chunk: Uint8Array): void
  /** Once, after the whole body. */
  results(): Promise<DkimCheck[]>
}

type Verdict = Pick<DkimCheck, 'result' | 'reason'>

/** A signature, and where its body is hashed. */
interface Checked {
  read: DkimSignature
  body: string
}

export function createSignatureChecks(
  fields: readonly LetterField[],
  { keys, domainOf, nowMs }: { keys: PublicKeys; domainOf(text: string): string; nowMs: number },
): SignatureChecks {
  const bodies = new Map<string, BodyHash>()
  const signatures: Checked[] = []
  for (const { key, text } of fields) {
    if (key !== 'dkim-signature') continue
    const read = readSignature(text)
    if (signatures.length >= messageAuthLimits.signaturesMax) read.fault = 'too many signatures'
    const { bodyForm, hash, bodyBytesMax } = read
    const body = `${bodyForm} ${hash} ${bodyBytesMax ?? ''}`
    // Of one that counts for nothing no body is hashed.
    if (read.fault === '' && !bodies.has(body)) bodies.set(body, createBodyHash(bodyForm, hash, bodyBytesMax))
    signatures.push({ read, body })
  }
  const hashers = [...bodies.values()]
  return {
    update(chunk) {
      for (const hasher of hashers) hasher.update(chunk)
    },
    async results() {
      const hashes = new Map(Array.from(bodies, ([body, hasher]) => [body, hasher.digest()]))
      const all = signatures.map(async ({ read, body }, index) => {
        const isOver = index >= messageAuthLimits.signaturesMax
        const hash = hashes.get(body)
        const verdict =
          read.fault === '' && hash ? await verdictOn(read, hash, fields, keys, nowMs) : neutral(read.fault)
        return {
          domain: isOver ? '' : domainOf(read.domain) || read.domain.toLowerCase(),
          selector: isOver ? '' : read.selector,
          identity: isOver ? '' : read.identity,
          algorithm: read.algorithm,
          ...verdict,
          signatureHead: read.signature.slice(0, 8),
        }
      })
      return Promise.all(all)
    },
  }
}

const neutral = (reason: string): Verdict => ({ result: 'neutral', reason })

async function verdictOn(
  read: DkimSignature,
  { base64, leftOutBytes }: { base64: string; leftOutBytes: number },
  fields: readonly LetterField[],
  keys: PublicKeys,
  nowMs: number,
): Promise<Verdict> {
  if (read.bodyHash !== base64) return { result: 'fail', reason: 'body hash did not verify' }
  // RFC 8301 §3.1.
  if (read.hash === 'sha1') return { result: 'policy', reason: 'weak algorithm' }
  let key: PublicKey
  try {
    const name = `${read.selector}._domainkey.${read.domain}`
    key = await keys.get('DKIM', name, messageAuthLimits.rsaKeyBitsMin, { strict: true, hashAlgo: read.hash })
  } catch (error) {
    return keyVerdict(error as Error & { code?: string })
  }
  if (key.keyType !== read.keyType) return { result: 'permerror', reason: 'inappropriate key algorithm' }
  if (key.flags.includes('s') && read.identityDomain !== undefined) {
    const isSame = tools.normalizeDomainName(read.identityDomain) === tools.normalizeDomainName(read.domain)
    if (!isSame) return neutral('domain mismatch')
  }
  try {
    const signed = Buffer.from(signedHeader(read, fields), 'latin1')
    const bytes = Buffer.from(read.signature, 'base64')
    // RFC 8463 §3: Ed25519 signs the hash.
    const isGood =
      read.keyType === 'rsa'
        ? verify('sha256', signed, key.publicKey, bytes)
        : verify(null, createHash('sha256').update(signed).digest(), key.publicKey, bytes)
    if (!isGood) return { result: 'fail', reason: 'bad signature' }
  } catch (error) {
    return neutral((error as Error).message)
  }
  if (read.expiresMs !== undefined && read.expiresMs < nowMs) return neutral('expired')
  // RFC 6376 §8.2: whoever changes a letter may put anything behind what l= covers.
  if (leftOutBytes > 0) return { result: 'policy', reason: 'the signature leaves out a part of the body (l=)' }
  return { result: 'pass', reason: '' }
}

/** RFC 6376 §6.1.2 calls these PERMFAIL. */
const keyFaults: Readonly<Record<string, Verdict>> = {
  ENOTFOUND: { result: 'permerror', reason: 'no key' },
  ENODATA: { result: 'permerror', reason: 'no key' },
  EINVALIDVER: { result: 'permerror', reason: 'unknown key version' },
  EINVALIDTYPE: { result: 'permerror', reason: 'unknown key type' },
  EINVALIDVAL: { result: 'permerror', reason: 'invalid public key' },
  EINVALIDHASH: { result: 'permerror', reason: 'inappropriate hash algorithm' },
  EINVALIDSERVICE: { result: 'permerror', reason: 'key not for email' },
  ESHORTKEY: { result: 'policy', reason: 'weak-key' },
}

function keyVerdict({ code, message }: Error & { code?: string }): Verdict {
  const result: DkimResult = 'temperror'
  return keyFaults[code ?? ''] ?? { result, reason: `DNS failure: ${code ?? message}` }
}

/** RFC 6376 §5.4.2, §3.7: of several fields of a name the lowest first, each once; the signature's own last. */
function signedHeader({ field, fields: names, headerForm }: DkimSignature, fields: readonly LetterField[]): string {
  const wanted = new Map<string, string[]>(names.map((name) => [name, []]))
  for (const { key, text } of fields) wanted.get(key)?.push(text)
  const isRelaxed = headerForm === 'relaxed'
  let signed = ''
  for (const name of names) {
    const text = wanted.get(name)?.pop()
    if (text !== undefined) signed += `${isRelaxed ? relaxedField(text) : text}\r\n`
  }
  return signed + withoutSignature(isRelaxed ? relaxedField(field) : field)
}
