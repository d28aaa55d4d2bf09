// What the judging of letters needs from others: somebody who does the sums of SPF, DKIM and ARC, and the answers of the DNS.

/** RFC 8601 §2.7.2, RFC 7208 §2.6. */
export type SpfResult = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror'
/** RFC 8601 §2.7.1. */
export type DkimResult = 'none' | 'pass' | 'fail' | 'policy' | 'neutral' | 'temperror' | 'permerror'
/** RFC 8617 §4.4. */
export type ArcResult = 'none' | 'pass' | 'fail'

/** One identity that was checked (RFC 7208 §2.3, §2.4). */
export interface SpfCheck {
  scope: 'mfrom' | 'helo'
  /** A-labels, lower case; '' where the identity has none. */
  domain: string
  result: SpfResult
  /** More than the result says, or ''. */
  reason: string
}

export interface DkimCheck {
  /** d= and s=; '' where the signature has none. */
  domain: string
  selector: string
  /** i=, or `@d`. */
  identity: string
  algorithm: string
  result: DkimResult
  reason: string
  /** The first 8 characters of b=: tells signatures apart (RFC 6008). */
  signatureHead: string
}

/** One set of a chain, as its sealer wrote it (RFC 8617 §4.2). */
export interface ArcSet {
  instance: number
  /** d= of its ARC-Seal, lower case. */
  sealer: string
  /** Value of its ARC-Authentication-Results, after `i=…;`. */
  results: string
}

export interface ArcCheck {
  result: ArcResult
  reason: string
  /** Newest first; only where the whole chain validates. */
  sets: readonly ArcSet[]
  /** The highest instance in the letter, valid or not. */
  instance: number
  /** Whether another set may be put on top (RFC 8617 §5.1): not after a seal that says cv=fail, and not after 50. */
  sealable: boolean
}

export interface CheckedLetter {
  /** helo, then mfrom, each where there is such an identity. */
  spf: readonly SpfCheck[]
  /** In the order of the fields; none for a letter without a signature. */
  dkim: readonly DkimCheck[]
  arc: ArcCheck
  /** Values of the From fields, as Unicode where they are UTF-8. */
  from: readonly string[]
}

export interface LetterToCheck {
  remoteAddress: string
  helo: string
  /** Envelope sender; '' for bounces. */
  from: string
  bytes(): AsyncIterable<Uint8Array>
  size: number
}

/** One key with which letters are signed. */
export interface SigningKey {
  selector: string
  algorithm: 'rsa-sha256' | 'ed25519-sha256'
  /** PKCS #8, PEM. */
  privateKey: string
}

export interface LetterToSign {
  bytes(): AsyncIterable<Uint8Array>
  size: number
  /** d= */
  domain: string
  keys: readonly SigningKey[]
  atMs: number
}

export interface LetterToSeal extends LetterToSign {
  /** `<authserv-id>; …`: what ARC-Authentication-Results says. */
  results: string
  chain: ArcCheck
}

/**
 * Does what costs the processor time, somewhere else than on the thread that serves. Never throws for what a letter says.
 * @throws SkeinError from each: `verifier-busy` (temporary: too many wait), `verifier-failed` (temporary: it broke, or took too
 *   long, or was called off)
 */
export interface MessageVerifier {
  verify(letter: LetterToCheck, signal: AbortSignal): Promise<CheckedLetter>
  /** DKIM-Signature fields, one for each key, each ended by CR LF; '' for a letter that cannot be signed (no From). */
  sign(letter: LetterToSign, signal: AbortSignal): Promise<string>
  /** One ARC set, each field ended by CR LF; '' where there can be none. */
  seal(letter: LetterToSeal, signal: AbortSignal): Promise<string>
}
