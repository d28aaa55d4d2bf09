// Reads one segment. Promises: what is damaged is `IndexDamaged`, never a wrong answer.
import { readFileSync, writeFileSync, renameSync } from 'node:fs'
import { crc32, zstdDecompressSync } from 'node:zlib'
import { numbersOf } from './numbers.ts'
import { IndexDamaged, PagedFile } from './paged-file.ts'
import { markPostings } from './postings.ts'
import { LetterState } from './segment-writer.ts'
import { Vocabulary } from './vocabulary.ts'
import type { VocabularyCache } from './vocabulary.ts'
import type { Demand } from './terms.ts'

/** Postings that lie this near are read together. */
const NEAR_BYTES = 16 * 1024
const READ_BYTES_MAX = 4 * 1024 * 1024

export class Segment {
  readonly name: string
  readonly letters: number
  readonly mailboxes: Uint32Array
  readonly uids: Uint32Array
  readonly states: Uint32Array
  readonly terms: Uint32Array
  /** A byte for each message: 1 where it is gone. */
  readonly gone: Uint8Array
  goneCount = 0
  /** The marks of `gone` are not on disk yet. */
  goneUnsaved = false
  readonly textBytes: number
  readonly #path: string
  readonly #blocks: Uint32Array
  readonly #starts: Uint32Array
  readonly #lengths: Uint32Array
  readonly #packed: Uint32Array
  readonly #raw: Uint32Array
  readonly #offsets: Float64Array
  readonly #text: PagedFile
  readonly #post: PagedFile
  #open: { block: number; bytes: Buffer } | null = null

  /** @throws IndexDamaged */
  constructor(directory: string, name: string) {
    this.name = name
    this.#path = `${directory}/${name}`
    const docs = new PagedFile(`${this.#path}.docs`)
    let numbers: Uint32Array
    try {
      numbers = numbersOf(docs.readAll())
    } finally {
      docs.close()
    }
    const [letters = 0, blocks = 0] = numbers
    if (numbers.length !== 2 + letters * 7 + blocks * 2) throw new IndexDamaged('rows are missing')
    let at = 2
    const column = (length: number) => numbers.subarray(at, (at += length))
    this.letters = letters
    this.mailboxes = column(letters)
    this.uids = column(letters)
    this.states = column(letters)
    this.terms = column(letters)
    this.#blocks = column(letters)
    this.#starts = column(letters)
    this.#lengths = column(letters)
    this.#packed = column(blocks)
    this.#raw = column(blocks)
    this.#offsets = new Float64Array(blocks + 1)
    for (let block = 0; block < blocks; block++) {
      this.#offsets[block + 1] = (this.#offsets[block] as number) + (this.#packed[block] as number)
    }
    this.textBytes = this.#raw.reduce((sum, bytes) => sum + bytes, 0)
    this.gone = this.#readGone()
    for (const mark of this.gone) this.goneCount += mark
    this.#text = new PagedFile(`${this.#path}.text`)
    this.#post = new PagedFile(`${this.#path}.post`)
  }

  get path(): string {
    return this.#path
  }

  /** Best effort: what is not marked here is found to be gone when mailboxes are compared. */
  #readGone(): Uint8Array {
    try {
      const bytes = readFileSync(`${this.#path}.gone`)
      const marks = bytes.subarray(4)
      if (marks.length === this.letters && crc32(marks) === bytes.readUInt32LE(0)) return new Uint8Array(marks)
    } catch {}
    return new Uint8Array(this.letters)
  }

  saveGone(): void {
    if (!this.goneUnsaved) return
    const head = Buffer.alloc(4)
    head.writeUInt32LE(crc32(this.gone))
    writeFileSync(`${this.#path}.gone.new`, Buffer.concat([head, this.gone]), { mode: 0o600 })
    renameSync(`${this.#path}.gone.new`, `${this.#path}.gone`)
    this.goneUnsaved = false
  }

  markGone(letter: number): void {
    if (this.gone[letter] === 1) return
    this.gone[letter] = 1
    this.goneCount += 1
    this.goneUnsaved = true
  }

  /** The packed texts of a message; a view. Cheapest in ascending order. */
  text(letter: number): Buffer {
    if (this.#lengths[letter] === 0) return Buffer.alloc(0)
    const block = this.#blocks[letter] as number
    if (this.#open?.block !== block) {
      const offset = this.#offsets[block] as number
      const packed = this.#text.read(offset, offset + (this.#packed[block] as number))
      const bytes = zstdDecompressSync(packed)
      if (bytes.length !== this.#raw[block]) throw new IndexDamaged('a block of text is too short')
      this.#open = { block, bytes }
    }
    const start = this.#starts[letter] as number
    return this.#open.bytes.subarray(start, start + (this.#lengths[letter] as number))
  }

  /** Lets go of the last block. */
  rest(): void {
    this.#open = null
  }

  vocabulary(cache: VocabularyCache): Vocabulary {
    return cache.get(this.#path, () => new Vocabulary(`${this.#path}.terms`))
  }

  /** Where, by message, any term stands that meets the demand. */
  *marks(demand: Demand, cache: VocabularyCache): Generator<void, Uint8Array> {
    const masks = new Uint8Array(this.letters)
    const vocabulary = this.vocabulary(cache)
    const found = yield* vocabulary.find(demand)
    for (let at = 0; at < found.length;) {
      // Neighbours are read together.
      const first = vocabulary.postings(found[at] as number)[0]
      let to = at
      let end = vocabulary.postings(found[at] as number)[1]
      while (to + 1 < found.length) {
        const [start, next] = vocabulary.postings(found[to + 1] as number)
        if (start - end > NEAR_BYTES || next - first > READ_BYTES_MAX) break
        end = next
        to += 1
      }
      const bytes = this.#post.read(first, end)
      for (; at <= to; at++) {
        const [start, stop] = vocabulary.postings(found[at] as number)
        markPostings(bytes, start - first, stop - first, masks)
      }
      yield
    }
    return masks
  }

  /** The postings of the term with that number. */
  postings(start: number, end: number): Buffer {
    return this.#post.read(start, end)
  }

  /** Whether only the text can tell. */
  needsText(letter: number): boolean {
    return this.states[letter] === LetterState.textOnly
  }

  close(): void {
    this.#text.close()
    this.#post.close()
  }
}
