// The index of one account. Promises: what it says of a message that it covers is what a look at the message would say;
// after a crash it covers less, never something else; what is damaged is `IndexDamaged`.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import type { TextFindings, TextQuery } from '@skein/mailboxes'
import { findInSegment, type Findings } from './find.ts'
import { packTexts, packedHas, prepareQuery } from './letter.ts'
import type { LetterTexts } from './letter.ts'
import { searchLimits } from './limits.ts'
import { INDEX_VERSION, readManifest, writeManifest } from './manifest.ts'
import type { IndexedMailbox, Manifest } from './manifest.ts'
import { mergeSegments, segmentsToMerge } from './merge.ts'
import { LetterState, SEGMENT_FILES, SegmentWriter, removeSegment } from './segment-writer.ts'
import type { LetterRow } from './segment-writer.ts'
import { Segment } from './segment.ts'
import { TermTable } from './term-table.ts'
import type { VocabularyCache } from './vocabulary.ts'

interface Waiting {
  rows: (LetterRow & { packed: Buffer; gone: boolean })[]
  bytes: number
  table: TermTable
}

export interface MailboxStanding extends IndexedMailbox {
  /** Messages of the mailbox in the index. */
  letters: number
}

const ROWS_BETWEEN_PAUSES = 32
const TERMS_BETWEEN_PAUSES = 1024

const nothingWaits = (): Waiting => ({ rows: [], bytes: 0, table: new TermTable() })

export class AccountIndex {
  readonly directory: string
  readonly #cache: VocabularyCache
  #manifest: Manifest
  #segments: Segment[] = []
  /** By mailbox number: what is covered in memory too; the manifest says what is on disk. */
  readonly #covered: number[]
  #waiting = nothingWaits()
  /** Being written: still looked at where it is. */
  #leaving: Waiting | null = null
  #changed = false
  /** Finds that look at segments now: these must stay. */
  #readers = 0

  /** @throws IndexDamaged */
  constructor(directory: string, cache: VocabularyCache) {
    this.directory = directory
    this.#cache = cache
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.#manifest = readManifest(directory) ?? { version: INDEX_VERSION, mailboxes: [], segments: [], next: 1 }
    this.#covered = this.#manifest.mailboxes.map((mailbox) => mailbox?.coveredUid ?? 0)
    try {
      for (const name of this.#manifest.segments) this.#segments.push(new Segment(directory, name))
    } catch (error) {
      this.close()
      throw error
    }
    this.#removeStrays()
  }

  /** What a crash left half written. */
  #removeStrays(): void {
    const known = new Set(this.#manifest.segments)
    for (const name of readdirSync(this.directory)) {
      const [segment = '', kind = ''] = name.split('.')
      const ours = (SEGMENT_FILES as readonly string[]).includes(kind) || kind === 'gone'
      if ((ours && !known.has(segment)) || name.endsWith('.new')) rmSync(`${this.directory}/${name}`, { force: true })
    }
  }

  standing(): MailboxStanding[] {
    return this.#manifest.mailboxes.flatMap((mailbox, number) =>
      mailbox === null
        ? []
        : [{ ...mailbox, coveredUid: this.#covered[number] ?? 0, letters: this.#lettersOf(number) }],
    )
  }

  /** In the order in which they came. */
  #rowsInMemory(): Waiting['rows'] {
    return this.#leaving === null ? this.#waiting.rows : [...this.#leaving.rows, ...this.#waiting.rows]
  }

  #lettersOf(mailbox: number): number {
    let letters = 0
    for (const { mailboxes, gone } of this.#segments) {
      for (let letter = 0; letter < mailboxes.length; letter++) {
        if (mailboxes[letter] === mailbox && gone[letter] === 0) letters++
      }
    }
    for (const row of this.#rowsInMemory()) if (row.mailbox === mailbox && !row.gone) letters++
    return letters
  }

  /* ------------------------------------------------------------------ taking in */

  /** The number of a mailbox; one with another UIDVALIDITY is another mailbox. */
  #numberOf(id: string, uidValidity: number): number {
    const found = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    const known = this.#manifest.mailboxes[found]
    if (known && known.uidValidity === uidValidity) return found
    if (known) this.drop(id)
    this.#changed = true
    this.#covered.push(0)
    return this.#manifest.mailboxes.push({ id, uidValidity, coveredUid: 0 }) - 1
  }

  /** UIDs of a mailbox must rise. Without texts the message is marked as one to be looked at itself. */
  add(id: string, uidValidity: number, uid: number, texts: LetterTexts | null): void {
    const number = this.#numberOf(id, uidValidity)
    if (uid <= (this.#covered[number] as number)) return
    const waiting = this.#waiting
    let packed = texts === null ? Buffer.alloc(0) : packTexts(texts)
    let state: number = texts === null || packed.length > searchLimits.textBytesMax ? LetterState.unsure : 0
    let terms = 0
    if (texts === null || state === LetterState.unsure) packed = Buffer.alloc(0)
    else {
      terms = waiting.table.add(waiting.rows.length, texts)
      if (terms < 0) state = LetterState.textOnly
    }
    waiting.rows.push({ mailbox: number, uid, state, terms: Math.max(0, terms), packed, gone: false })
    waiting.bytes += packed.length
    this.#covered[number] = uid
    this.#changed = true
  }

  /** There is so much in memory that it must be written. */
  get isFull(): boolean {
    const { rows, bytes } = this.#waiting
    return rows.length >= searchLimits.waitingMessagesMax || bytes >= searchLimits.waitingBytesMax
  }

  coveredUid(id: string, uidValidity: number): number {
    const number = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    const known = this.#manifest.mailboxes[number]
    return known?.uidValidity === uidValidity ? (this.#covered[number] as number) : 0
  }

  /** Everything up to `uid` was given or is gone. */
  cover(id: string, uidValidity: number, uid: number): void {
    const number = this.#numberOf(id, uidValidity)
    if (uid <= (this.#covered[number] as number)) return
    this.#covered[number] = uid
    this.#changed = true
  }

  /** These messages are gone. */
  remove(id: string, uids: ReadonlySet<number>): void {
    this.#markGone(id, (uid) => uids.has(uid))
  }

  /** Only these are left of what is covered. @returns how many of them the index has */
  keep(id: string, uids: Uint32Array): number {
    const kept = new Set(uids)
    this.#markGone(id, (uid) => !kept.has(uid))
    const number = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    return number < 0 ? 0 : this.#lettersOf(number)
  }

  drop(id: string): void {
    this.#markGone(id, () => true)
    const number = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    if (number >= 0) this.#manifest.mailboxes[number] = null
    this.#changed = true
  }

  /** Drops what is no longer among these mailboxes. */
  keepMailboxes(ids: ReadonlySet<string>): void {
    for (const mailbox of this.#manifest.mailboxes) if (mailbox !== null && !ids.has(mailbox.id)) this.drop(mailbox.id)
  }

  #markGone(id: string, isGone: (uid: number) => boolean): void {
    const number = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    if (number < 0) return
    for (const segment of this.#segments) {
      const { mailboxes, uids } = segment
      for (let letter = 0; letter < mailboxes.length; letter++) {
        if (mailboxes[letter] === number && isGone(uids[letter] as number)) {
          segment.markGone(letter)
          this.#changed = true
        }
      }
    }
    for (const row of this.#rowsInMemory()) {
      if (row.mailbox === number && isGone(row.uid)) row.gone = true
    }
  }

  get hasWaiting(): boolean {
    return this.#changed
  }

  /** On disk when it is over. Pauses by `yield`; only one at a time. */
  *flush(): Generator<void, void> {
    if (!this.#changed) return
    const waiting = this.#waiting
    const reached = [...this.#covered]
    this.#waiting = nothingWaits()
    if (waiting.rows.some((row) => !row.gone)) {
      this.#leaving = waiting
      const segment = yield* this.#write(waiting)
      for (const [letter, row] of waiting.rows.entries()) if (row.gone) segment.markGone(letter)
      this.#segments.push(segment)
      this.#leaving = null
    }
    for (const [number, mailbox] of this.#manifest.mailboxes.entries()) {
      if (mailbox !== null) mailbox.coveredUid = reached[number] ?? 0
    }
    this.#save()
    this.#changed = this.#waiting.rows.length > 0
  }

  #save(): void {
    for (const segment of this.#segments) segment.saveGone()
    this.#manifest.segments = this.#segments.map((segment) => segment.name)
    writeManifest(this.directory, this.#manifest)
  }

  #newName(): string {
    return String(this.#manifest.next++)
  }

  *#write(waiting: Waiting): Generator<void, Segment> {
    const name = this.#newName()
    const writer = new SegmentWriter(`${this.directory}/${name}`)
    let done = false
    try {
      for (const [at, row] of waiting.rows.entries()) {
        writer.letter(row, row.packed)
        if (at % ROWS_BETWEEN_PAUSES === 0) yield
      }
      let terms = 0
      for (const { term, postings } of waiting.table.sorted()) {
        writer.term(term, postings)
        if (++terms % TERMS_BETWEEN_PAUSES === 0) yield
      }
      writer.finish()
      done = true
    } finally {
      if (!done) writer.abort()
    }
    return new Segment(this.directory, name)
  }

  /* ------------------------------------------------------------------ looking */

  /** Pauses by `yield`. Undefined where the mailbox is not known here. */
  *find(id: string, queries: readonly TextQuery[]): Generator<void, TextFindings | undefined> {
    const number = this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id)
    const mailbox = this.#manifest.mailboxes[number]
    if (!mailbox) return undefined
    const { uidValidity } = mailbox
    const coveredUid = this.#covered[number] as number
    const segments = [...this.#segments]
    const waiting = [...this.#rowsInMemory()]
    const prepared = queries.map(prepareQuery)
    const found: Findings = { hits: prepared.map(() => []), unsure: [] }
    const release = this.hold()
    try {
      for (const segment of segments) yield* findInSegment(segment, number, prepared, this.#cache, found)
    } finally {
      release()
    }
    for (const [at, row] of waiting.entries()) {
      if (row.mailbox !== number || row.gone) continue
      if (row.state === LetterState.unsure) found.unsure.push(row.uid)
      else {
        for (const [which, query] of prepared.entries()) {
          if (packedHas(row.packed, query)) (found.hits[which] as number[]).push(row.uid)
        }
      }
      if (at % 64 === 63) yield
    }
    const hits = found.hits.map((uids) => Uint32Array.from(uids))
    return { uidValidity, coveredUid, hits, unsure: Uint32Array.from(found.unsure) }
  }

  /** Segments stay until it is let go. */
  hold(): () => void {
    this.#readers += 1
    return () => void (this.#readers -= 1)
  }

  /** Segments with as much of their rows as ranking needs, oldest first. */
  segmentsFor(id: string): { number: number; segments: readonly Segment[] } {
    return {
      number: this.#manifest.mailboxes.findIndex((mailbox) => mailbox?.id === id),
      segments: this.#segments,
    }
  }

  /* ------------------------------------------------------------------ merging */

  get wantsMerge(): boolean {
    return segmentsToMerge(this.#segments) !== undefined
  }

  /** Pauses by `yield`. */
  *merge(): Generator<void, void> {
    const span = segmentsToMerge(this.#segments)
    if (span === undefined) return
    const old = this.#segments.slice(span.start, span.end)
    const name = this.#newName()
    const merged = yield* mergeSegments(old, this.directory, name, this.#cache)
    while (this.#readers > 0) yield
    const at = this.#segments.indexOf(old[0] as Segment)
    this.#segments.splice(at, old.length, ...(merged === null ? [] : [merged]))
    this.#save()
    for (const segment of old) this.#forget(segment)
  }

  #forget(segment: Segment): void {
    segment.close()
    this.#cache.forget(segment.path)
    removeSegment(segment.path)
  }

  close(): void {
    for (const segment of this.#segments) {
      segment.close()
      this.#cache.forget(segment.path)
    }
    this.#segments = []
  }
}
