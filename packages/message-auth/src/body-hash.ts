// The hash of a body for DKIM (RFC 6376 §3.4.3, §3.4.4, §3.7), of a letter that passes by in chunks of any size.
// Promises: the same for any chunking; holds no more than the last chunk's line ends.
import { createHash, type Hash } from 'node:crypto'

export interface BodyHash {
  update(chunk: Uint8Array): void
  /** Once, at the end. */
  digest(): { base64: string; leftOutBytes: number }
}

const crlf = Buffer.from('\r\n')
const CR = 13
const LF = 10
const TAB = 9
const SPACE = 32

/** @param lengthMax l=: what comes behind is counted only */
export function createBodyHash(
  canonicalization: 'simple' | 'relaxed',
  algorithm: 'sha256' | 'sha1',
  lengthMax = Number.POSITIVE_INFINITY,
): BodyHash {
  const canonical = new CanonicalHash(algorithm, lengthMax)
  return canonicalization === 'relaxed' ? new RelaxedBody(canonical) : new SimpleBody(canonical)
}

/** Hashes a canonical body but for the line ends at its end, which become one. */
class CanonicalHash {
  #hash: Hash
  readonly #lengthMax: number
  /** Bytes fed, hashed or not. */
  #fed = 0
  /** Line ends at the end of what came, not fed yet. */
  #held: Uint8Array | null = null
  /** The hash before line ends that were fed for want of room to hold them, and what was fed then. */
  #before: { hash: Hash; fed: number } | null = null

  constructor(algorithm: string, lengthMax: number) {
    this.#hash = createHash(algorithm)
    this.#lengthMax = lengthMax
  }

  /** @param isLent the bytes change after this call */
  update(bytes: Uint8Array, isLent: boolean): void {
    if (bytes.length === 0) return
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === LF) end -= bytes[end - 2] === CR && end > 1 ? 2 : 1
    if (this.#held) {
      if (end === 0) this.#before ??= { hash: this.#hash.copy(), fed: this.#fed }
      this.#feed(this.#held)
      this.#held = null
    }
    if (end > 0) {
      this.#before = null
      this.#feed(end === bytes.length ? bytes : bytes.subarray(0, end))
    }
    if (end < bytes.length) this.#held = isLent ? Uint8Array.from(bytes.subarray(end)) : bytes.subarray(end)
  }

  /** @param emptyHasLineEnd §3.4.3: a body without anything is CR LF in simple, and nothing in relaxed */
  digest(emptyHasLineEnd: boolean): { base64: string; leftOutBytes: number } {
    if (this.#before) {
      this.#hash = this.#before.hash
      this.#fed = this.#before.fed
    }
    if (this.#fed > 0 || emptyHasLineEnd) this.#feed(crlf)
    return { base64: this.#hash.digest('base64'), leftOutBytes: Math.max(0, this.#fed - this.#lengthMax) }
  }

  #feed(bytes: Uint8Array): void {
    const room = this.#lengthMax - this.#fed
    this.#fed += bytes.length
    if (room >= bytes.length) this.#hash.update(bytes)
    else if (room > 0) this.#hash.update(bytes.subarray(0, room))
  }
}

class SimpleBody implements BodyHash {
  readonly #canonical: CanonicalHash
  /** The last chunk ended with a CR: a line's end, if an LF follows. */
  #endsWithCr = false

  constructor(canonical: CanonicalHash) {
    this.#canonical = canonical
  }

  update(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    let bytes = this.#endsWithCr ? Buffer.concat([crlf.subarray(0, 1), chunk]) : chunk
    this.#endsWithCr = bytes.at(-1) === CR
    if (this.#endsWithCr) bytes = bytes.subarray(0, -1)
    this.#canonical.update(bytes, false)
  }

  digest() {
    if (this.#endsWithCr) this.#canonical.update(crlf.subarray(0, 1), false)
    return this.#canonical.digest(true)
  }
}

/** Where lines are written anew; one for all, since a hash has read it before the next line is. */
let scratch = Buffer.allocUnsafe(64 * 1024)

class RelaxedBody implements BodyHash {
  readonly #canonical: CanonicalHash
  /** White space, and after it a CR, that came last: what they mean depends on what follows. */
  #blank = false
  #cr = false
  constructor(canonical: CanonicalHash) {
    this.#canonical = canonical
  }

  update(chunk: Uint8Array): void {
    const clean = this.#blank || this.#cr ? 0 : cleanPart(chunk)
    if (clean > 0) this.#canonical.update(clean === chunk.length ? chunk : chunk.subarray(0, clean), false)
    if (clean < chunk.length) this.#rewrite(chunk, clean)
  }

  /** A bare LF ends a line, a bare CR does not. */
  #rewrite(chunk: Uint8Array, from: number): void {
    const needed = 2 * (chunk.length - from) + 2
    if (scratch.length < needed) scratch = Buffer.allocUnsafe(needed)
    const out = scratch
    let length = 0
    let blank = this.#blank
    let cr = this.#cr
    for (let at = from; at < chunk.length; at++) {
      const code = chunk[at] as number
      if (code === LF) {
        out[length++] = CR
        out[length++] = LF
        blank = false
        cr = false
        continue
      }
      if (cr) {
        if (blank) out[length++] = SPACE
        out[length++] = CR
        blank = false
        cr = false
      }
      if (code === SPACE || code === TAB) blank = true
      else if (code === CR) cr = true
      else {
        if (blank) out[length++] = SPACE
        blank = false
        out[length++] = code
      }
    }
    this.#blank = blank
    this.#cr = cr
    this.#canonical.update(out.subarray(0, length), true)
  }

  digest() {
    if (this.#cr) this.#canonical.update(Buffer.from(this.#blank ? ' \r' : '\r'), false)
    return this.#canonical.digest(false)
  }
}

/** How much from the start is canonical already, whatever follows. */
function cleanPart(chunk: Uint8Array): number {
  const { length } = chunk
  for (let at = 0; at < length; at++) {
    const code = chunk[at] as number
    if (code > SPACE) continue
    if (code === SPACE) {
      const next = at + 1 < length ? (chunk[at + 1] as number) : SPACE
      if (next === SPACE || next === TAB || next === CR || next === LF) return at
    } else if (code === CR) {
      if (chunk[at + 1] !== LF) return at
      at++
    } else if (code === TAB || code === LF) return at
  }
  return length
}
