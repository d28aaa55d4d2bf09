// The terms of one segment, all of them in one stretch of bytes: looking for a part of a word is one pass over it.
import { numbersOf } from './numbers.ts'
import { IndexDamaged, PagedFile } from './paged-file.ts'
import { TERM_STEP } from './segment-writer.ts'
import type { Demand } from './terms.ts'

const LINE_END = 10
/** Bytes looked through between pauses. */
const SCAN_BYTES = 4 * 1024 * 1024

export class Vocabulary {
  readonly count: number
  readonly bytes: number
  /** `\nterm\nterm\n` */
  readonly #blob: Buffer
  readonly #places: Uint32Array
  readonly #postPlaces: Uint32Array

  /** @throws IndexDamaged */
  constructor(path: string) {
    const file = new PagedFile(path)
    try {
      const all = file.readAll()
      const tail = numbersOf(all.subarray(all.length - 8))
      const [count = 0, blobLength = 0] = tail
      const steps = Math.ceil(count / TERM_STEP)
      const start = blobLength + ((4 - (blobLength % 4)) % 4)
      if (all.length !== start + (steps + count + 1) * 4 + 8) throw new IndexDamaged('terms are missing')
      this.count = count
      this.bytes = all.length
      this.#blob = all.subarray(0, blobLength)
      this.#places = numbersOf(all.subarray(start, start + steps * 4))
      this.#postPlaces = numbersOf(all.subarray(start + steps * 4, all.length - 8))
    } finally {
      file.close()
    }
  }

  /** [start, end) of a term's postings. */
  postings(term: number): [number, number] {
    return [this.#postPlaces[term] as number, this.#postPlaces[term + 1] as number]
  }

  /** Every term in order, as bytes (a view). */
  *terms(): Generator<Buffer> {
    const blob = this.#blob
    for (let at = 1; at < blob.length;) {
      const end = blob.indexOf(LINE_END, at)
      yield blob.subarray(at, end)
      at = end + 1
    }
  }

  /** Numbers of the terms that meet the demand, ascending. */
  *find({ text, how }: Demand): Generator<void, number[]> {
    if (how === 'is' || how === 'starts') return this.#lookUp(Buffer.from(text), how)
    return yield* this.#scan(Buffer.from(how === 'ends' ? `${text}\n` : text))
  }

  *#scan(needle: Buffer): Generator<void, number[]> {
    const blob = this.#blob
    const found: number[] = []
    /** The term that starts at `lineStart`. */
    let term = 0
    let lineStart = 1
    let pause = SCAN_BYTES
    for (let at = blob.indexOf(needle, 1); at >= 0 && at < blob.length;) {
      const step = this.#stepOf(at)
      if (step * TERM_STEP > term) {
        term = step * TERM_STEP
        lineStart = this.#places[step] as number
      }
      let lineEnd = blob.indexOf(LINE_END, lineStart)
      while (lineEnd < at) {
        term += 1
        lineStart = lineEnd + 1
        lineEnd = blob.indexOf(LINE_END, lineStart)
      }
      found.push(term)
      if (at > pause) {
        pause = at + SCAN_BYTES
        yield
      }
      at = blob.indexOf(needle, lineEnd + 1)
    }
    return found
  }

  /** The last known place that is not above `offset`. */
  #stepOf(offset: number): number {
    let low = 0
    let high = this.#places.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#places[middle] as number) <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  #lookUp(wanted: Buffer, how: 'is' | 'starts'): number[] {
    const blob = this.#blob
    if (this.count === 0) return []
    // The last known term below what is wanted, then one after the other.
    let low = 0
    let high = this.#places.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      const start = this.#places[middle] as number
      if (blob.compare(wanted, 0, wanted.length, start, blob.indexOf(LINE_END, start)) < 0) low = middle
      else high = middle - 1
    }
    const found: number[] = []
    let term = low * TERM_STEP
    for (let at = this.#places[low] as number; at < blob.length; term++) {
      const end = blob.indexOf(LINE_END, at)
      const starts = end - at >= wanted.length && blob.compare(wanted, 0, wanted.length, at, at + wanted.length) === 0
      if (starts && (how === 'starts' || end - at === wanted.length)) found.push(term)
      else if (blob.compare(wanted, 0, wanted.length, at, end) > 0) break
      if (how === 'is' && found.length > 0) break
      at = end + 1
    }
    return found
  }
}

/** Keeps vocabularies that were used last, up to so many bytes. */
export class VocabularyCache {
  readonly #kept = new Map<string, Vocabulary>()
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(key: string, open: () => Vocabulary): Vocabulary {
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return kept
    }
    const vocabulary = open()
    this.#kept.set(key, vocabulary)
    this.#bytes += vocabulary.bytes
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax || oldest === key) break
      this.#kept.delete(oldest)
      this.#bytes -= bytes
    }
    return vocabulary
  }

  forget(key: string): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#kept.delete(key)
    this.#bytes -= kept.bytes
  }
}
