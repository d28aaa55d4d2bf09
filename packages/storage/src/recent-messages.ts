// The latest messages, in one ring of memory: a letter is read by the parser, and often by a waiting client, right after
// it came. Bytes are copied in and out, so nobody's buffer is shared.
import type { BlobRef } from '@skein/mailboxes'

interface Entry {
  segment: number
  /** Counts all bytes ever put into the ring. */
  start: number
  length: number
}

/** Larger messages would push too many others out. */
const partOfRing = 16

export class RecentMessages {
  readonly #size: number
  #ring: Buffer | null = null
  readonly #entries = new Map<number, Entry>()
  /** Of the next byte, counted as `Entry.start`. */
  #head = 0

  constructor(bytes: number) {
    this.#size = bytes
  }

  /** A number, which a map finds faster than a text. Refs that share one by chance are told apart by their segment. */
  #keyOf(ref: BlobRef): number {
    return (ref.segment % 2 ** 20) * 2 ** 32 + ref.offset
  }

  add(ref: BlobRef, parts: readonly Uint8Array[]): void {
    if (ref.length > this.#size / partOfRing) return
    const key = this.#keyOf(ref)
    this.#ring ??= Buffer.allocUnsafeSlow(this.#size)
    const room = this.#size - (this.#head % this.#size)
    // A message lies in one piece.
    if (room < ref.length) this.#head += room
    const start = this.#head
    this.#head += ref.length
    for (const [oldest, entry] of this.#entries) {
      if (entry.start >= this.#head - this.#size) break
      this.#entries.delete(oldest)
    }
    let at = start % this.#size
    for (const part of parts) {
      this.#ring.set(part, at)
      at += part.length
    }
    this.#entries.delete(key)
    this.#entries.set(key, { segment: ref.segment, start, length: ref.length })
  }

  get(ref: BlobRef, start: number, end: number): Uint8Array | undefined {
    if (this.#entries.size === 0) return undefined
    const entry = this.#entries.get(this.#keyOf(ref))
    if (!entry || !this.#ring || entry.segment !== ref.segment || entry.length !== ref.length) return undefined
    const at = entry.start % this.#size
    return Buffer.from(this.#ring.subarray(at + start, at + end))
  }
}
