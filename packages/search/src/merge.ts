// Makes one segment of several neighbours, without what is gone. Pauses by `yield`; the old ones stay as they are.
import { GrowingBytes } from './growing.ts'
import { searchLimits } from './limits.ts'
import { eachPosting, putPosting } from './postings.ts'
import { SegmentWriter } from './segment-writer.ts'
import { Segment } from './segment.ts'
import type { VocabularyCache } from './vocabulary.ts'

const GONE = 0xffff_ffff
const POST_BYTES_AT_ONCE = 1024 * 1024
const LETTERS_BETWEEN_PAUSES = 64
const TERMS_BETWEEN_PAUSES = 1024

/** [start, end) of neighbours worth merging, or one that is worth writing anew. */
export function segmentsToMerge(
  segments: readonly Pick<Segment, 'letters' | 'goneCount' | 'textBytes'>[],
): { start: number; end: number } | undefined {
  const wasted = segments.findIndex(
    ({ letters, goneCount }) => goneCount === letters || goneCount > letters * searchLimits.goneRatio,
  )
  if (wasted >= 0) return { start: wasted, end: wasted + 1 }
  const { mergeSegments: wanted, segmentMessagesMax, segmentTextBytesMax } = searchLimits
  for (let small = wanted; small <= segmentMessagesMax; small *= wanted) {
    let start = 0
    let letters = 0
    let bytes = 0
    for (const [at, segment] of segments.entries()) {
      letters += segment.letters
      bytes += segment.textBytes
      if (segment.letters >= small || letters > segmentMessagesMax || bytes > segmentTextBytesMax) {
        start = at + 1
        letters = 0
        bytes = 0
      } else if (at + 1 - start >= wanted) return { start, end: at + 1 }
    }
  }
  return undefined
}

/** @returns null where nothing is left. */
export function* mergeSegments(
  old: readonly Segment[],
  directory: string,
  name: string,
  cache: VocabularyCache,
): Generator<void, Segment | null> {
  const writer = new SegmentWriter(`${directory}/${name}`)
  let done = false
  try {
    const numbers = yield* copyLetters(old, writer)
    if (writer.letters === 0) return null
    yield* copyTerms(old, numbers, writer, cache)
    writer.finish()
    done = true
    const merged = new Segment(directory, name)
    // Those that went in the meantime.
    for (const [at, segment] of old.entries()) {
      for (let letter = 0; letter < segment.letters; letter++) {
        const number = (numbers[at] as Uint32Array)[letter] as number
        if (number !== GONE && segment.gone[letter] === 1) merged.markGone(number)
      }
    }
    return merged
  } finally {
    if (!done) writer.abort()
  }
}

/** @returns for each old segment, each letter's new number. */
function* copyLetters(old: readonly Segment[], writer: SegmentWriter): Generator<void, Uint32Array[]> {
  const numbers: Uint32Array[] = []
  for (const segment of old) {
    const own = new Uint32Array(segment.letters).fill(GONE)
    for (let letter = 0; letter < segment.letters; letter++) {
      if (segment.gone[letter] === 1) continue
      own[letter] = writer.letters
      const row = {
        mailbox: segment.mailboxes[letter] as number,
        uid: segment.uids[letter] as number,
        state: segment.states[letter] as number,
        terms: segment.terms[letter] as number,
      }
      writer.letter(row, segment.text(letter))
      if (letter % LETTERS_BETWEEN_PAUSES === 0) yield
    }
    segment.rest()
    numbers.push(own)
  }
  return numbers
}

class TermCursor {
  readonly segment: Segment
  readonly numbers: Uint32Array
  readonly #terms: Iterator<Buffer>
  readonly #vocabulary: ReturnType<Segment['vocabulary']>
  #number = -1
  #window: { start: number; bytes: Buffer } = { start: 0, bytes: Buffer.alloc(0) }
  term: Buffer | undefined

  constructor(segment: Segment, numbers: Uint32Array, cache: VocabularyCache) {
    this.segment = segment
    this.numbers = numbers
    this.#vocabulary = segment.vocabulary(cache)
    this.#terms = this.#vocabulary.terms()
    this.next()
  }

  next(): void {
    const { done, value } = this.#terms.next()
    this.term = done === true ? undefined : value
    this.#number += 1
  }

  /** Of the term, with new numbers. */
  each(found: (letter: number, mask: number, count: number) => void): void {
    const [start, end] = this.#vocabulary.postings(this.#number)
    let from = start - this.#window.start
    if (from < 0 || end > this.#window.start + this.#window.bytes.length) {
      const last = this.#vocabulary.postings(this.#vocabulary.count - 1)[1]
      const stop = Math.min(last, Math.max(end, start + POST_BYTES_AT_ONCE))
      this.#window = { start, bytes: this.segment.postings(start, stop) }
      from = 0
    }
    eachPosting(this.#window.bytes, from, from + end - start, (letter, mask, count) => {
      const number = this.numbers[letter] as number
      if (number !== GONE) found(number, mask, count)
    })
  }
}

function* copyTerms(
  old: readonly Segment[],
  numbers: readonly Uint32Array[],
  writer: SegmentWriter,
  cache: VocabularyCache,
): Generator<void, void> {
  let cursors = old.map((segment, at) => new TermCursor(segment, numbers[at] as Uint32Array, cache))
  const postings = new GrowingBytes(64 * 1024)
  let before = 0
  const put = (letter: number, mask: number, count: number) => {
    putPosting(postings, letter - before, mask, count)
    before = letter
  }
  for (let count = 0; ; count++) {
    cursors = cursors.filter((cursor) => cursor.term !== undefined)
    if (cursors.length === 0) return
    let least = (cursors[0] as TermCursor).term as Buffer
    for (const { term } of cursors) if (Buffer.compare(term as Buffer, least) < 0) least = term as Buffer
    postings.clear()
    before = 0
    for (const cursor of cursors) {
      if (!(cursor.term as Buffer).equals(least)) continue
      cursor.each(put)
      cursor.next()
    }
    if (postings.length > 0) writer.termBytes(least, postings.view())
    if (count % TERMS_BETWEEN_PAUSES === 0) yield
  }
}
