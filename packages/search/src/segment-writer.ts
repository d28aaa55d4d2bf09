// Writes one segment: four files that share a name. Promises: on disk when `finish` returns; never changed afterwards.
//   .docs  a row for each message, and where the blocks of text lie
//   .text  blocks of packed texts, compressed
//   .terms every term in the order of bytes, one a line; places of every 64th; where each one's postings start
//   .post  the postings, term after term
import { rmSync } from 'node:fs'
import { constants, zstdCompressSync } from 'node:zlib'
import { GrowingBytes, GrowingNumbers } from './growing.ts'
import { bytesOf } from './numbers.ts'
import { PagedFileWriter } from './paged-file.ts'

export const SEGMENT_FILES = ['docs', 'text', 'terms', 'post'] as const

/** Terms between two known places. */
export const TERM_STEP = 64

/** What the index has of a message. */
export const LetterState = {
  /** Text and terms. */
  whole: 0,
  /** Nothing: it is looked at itself. */
  unsure: 1,
  /** Text, but not all of its terms. */
  textOnly: 2,
} as const

export interface LetterRow {
  /** Number of the mailbox in this account's index. */
  mailbox: number
  uid: number
  state: number
  /** Different terms: how much one of them says of the message. */
  terms: number
}

const BLOCK_BYTES = 64 * 1024

export class SegmentWriter {
  readonly #path: string
  readonly #text: PagedFileWriter
  readonly #terms: PagedFileWriter
  readonly #post: PagedFileWriter
  readonly #rows: LetterRow[] = []
  readonly #places: { block: number; start: number; length: number }[] = []
  readonly #blocks: { offset: number; packed: number; raw: number }[] = []
  readonly #open = new GrowingBytes(BLOCK_BYTES * 2)
  readonly #line = new GrowingBytes()
  readonly #termPlaces = new GrowingNumbers()
  readonly #postPlaces = new GrowingNumbers()
  #termCount = 0
  #finished = false

  constructor(path: string) {
    this.#path = path
    this.#text = new PagedFileWriter(`${path}.text`)
    this.#terms = new PagedFileWriter(`${path}.terms`)
    this.#post = new PagedFileWriter(`${path}.post`)
    this.#terms.write(Buffer.from('\n'))
  }

  get letters(): number {
    return this.#rows.length
  }

  /** @param text packed; nothing where the row is unsure */
  letter(row: LetterRow, text: Uint8Array): void {
    this.#rows.push(row)
    if (this.#open.length > 0 && this.#open.length + text.length > BLOCK_BYTES) this.#endBlock()
    this.#places.push({ block: this.#blocks.length, start: this.#open.length, length: text.length })
    this.#open.bytes(text)
  }

  #endBlock(): void {
    const raw = this.#open.view()
    const packed = zstdCompressSync(raw, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
    this.#blocks.push({ offset: this.#text.length, packed: packed.length, raw: raw.length })
    this.#text.write(packed)
    this.#open.clear()
  }

  /** In the order of their bytes. @param term latin1 for its UTF-8 */
  term(term: string, postings: Uint8Array): void {
    this.#line.clear()
    this.#line.latin1(term)
    this.#line.byte(10)
    this.#putTerm(postings)
  }

  /** The same, for a term as bytes. */
  termBytes(term: Uint8Array, postings: Uint8Array): void {
    this.#line.clear()
    this.#line.bytes(term)
    this.#line.byte(10)
    this.#putTerm(postings)
  }

  #putTerm(postings: Uint8Array): void {
    if (this.#termCount++ % TERM_STEP === 0) this.#termPlaces.push(this.#terms.length)
    this.#postPlaces.push(this.#post.length)
    this.#terms.write(this.#line.view())
    this.#post.write(postings)
  }

  finish(): void {
    if (this.#open.length > 0) this.#endBlock()
    const blobLength = this.#terms.length
    this.#postPlaces.push(this.#post.length)
    this.#terms.write(Buffer.alloc((4 - (blobLength % 4)) % 4))
    this.#terms.write(bytesOf(this.#termPlaces.view()))
    this.#terms.write(bytesOf(this.#postPlaces.view()))
    this.#terms.write(bytesOf(Uint32Array.of(this.#termCount, blobLength)))
    this.#terms.finish()
    this.#post.finish()
    this.#text.finish()
    this.#writeRows()
    this.#finished = true
  }

  #writeRows(): void {
    const file = new PagedFileWriter(`${this.#path}.docs`)
    const rows = this.#rows
    const places = this.#places
    const blocks = this.#blocks
    const columns: ArrayLike<number>[] = [
      [rows.length, blocks.length],
      rows.map((row) => row.mailbox),
      rows.map((row) => row.uid),
      rows.map((row) => row.state),
      rows.map((row) => row.terms),
      places.map((place) => place.block),
      places.map((place) => place.start),
      places.map((place) => place.length),
      blocks.map((block) => block.packed),
      blocks.map((block) => block.raw),
    ]
    for (const column of columns) file.write(bytesOf(Uint32Array.from(column)))
    file.finish()
  }

  /** Leaves nothing behind. */
  abort(): void {
    if (!this.#finished) for (const file of [this.#text, this.#terms, this.#post]) file.abort()
    removeSegment(this.#path)
  }
}

export function removeSegment(path: string): void {
  for (const kind of SEGMENT_FILES) rmSync(`${path}.${kind}`, { force: true })
  rmSync(`${path}.gone`, { force: true })
}
