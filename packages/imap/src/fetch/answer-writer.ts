// Writes FETCH answers: record items at once, index items by the block, sections read a few messages ahead.
// Promises: a literal's announced length is always what follows it, or the connection ends.
import { imapInternalDate } from '@skein/mail'
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MessageRecord } from '@skein/mailboxes'
import { isErrorCode } from '@skein/runtime'
import type { Output } from '../output.ts'
import type { FetchItem, IndexItem, RecordItem, SectionItem } from './fetch-item.ts'
import { locateSection, pickFields } from './section.ts'
import type { ByteRange } from './section.ts'
import { formatEnvelope, formatPreview, formatStructure } from './structure.ts'

export interface FetchPlan {
  items: readonly FetchItem[]
  /** Some item sets \Seen, and the mailbox is open for writing. */
  setsSeen: boolean
  utf8: boolean
  condstore: boolean
}

export interface Fetched {
  sequence: number
  record: MessageRecord
  /** \Seen was set by this very command, so its FLAGS are told too. */
  nowSeen: boolean
}

/** A piece of an answer: a byte string, bytes, or a range that is streamed from the message. */
type Piece = string | Uint8Array | ByteRange

/** Sections up to this size are read before the answer begins; larger ones are streamed. */
const HELD_BYTES_MAX = 256 * 1024
const READ_AHEAD_MESSAGES = 8

const recordWriters: Readonly<Record<RecordItem, (record: MessageRecord) => string>> = {
  FLAGS: ({ flags }) => `FLAGS (${flags.length === 1 ? flags[0] : flags.join(' ')})`,
  UID: ({ uid }) => `UID ${uid}`,
  INTERNALDATE: ({ internalDateMs }) => `INTERNALDATE "${imapInternalDate(internalDateMs)}"`,
  'RFC822.SIZE': ({ size }) => `RFC822.SIZE ${size}`,
  MODSEQ: ({ modseq }) => `MODSEQ (${modseq})`,
  EMAILID: ({ emailId }) => `EMAILID (${emailId})`,
  THREADID: ({ threadId }) => `THREADID (${threadId})`,
  SAVEDATE: ({ savedDateMs }) => `SAVEDATE "${imapInternalDate(savedDateMs)}"`,
}

const indexWriters: Readonly<Record<IndexItem, (index: MessageIndex, utf8: boolean) => string>> = {
  ENVELOPE: (index, utf8) => `ENVELOPE ${formatEnvelope(index.envelope, utf8)}`,
  BODY: (index, utf8) => `BODY ${formatStructure(index.root, false, utf8)}`,
  BODYSTRUCTURE: (index, utf8) => `BODYSTRUCTURE ${formatStructure(index.root, true, utf8)}`,
  PREVIEW: (index, utf8) => `PREVIEW ${formatPreview(index.preview, utf8)}`,
}

function needsIndex(item: FetchItem): boolean {
  if (item.kind === 'index') return true
  return item.kind === 'section' && (item.section.part.length > 0 || item.section.what !== 'all')
}

export class AnswerWriter {
  /** Messages that went away while they were read. */
  gone = 0
  /** Messages whose bytes the disk no longer gives back. */
  damaged = 0
  readonly #mailboxes: AccountMailboxes
  readonly #out: Output
  readonly #plan: FetchPlan
  readonly #needsIndex: boolean
  readonly #hasSections: boolean
  readonly #tellsFlags: boolean

  constructor(mailboxes: AccountMailboxes, out: Output, plan: FetchPlan) {
    this.#mailboxes = mailboxes
    this.#out = out
    this.#plan = plan
    this.#needsIndex = plan.items.some(needsIndex)
    this.#hasSections = plan.items.some((item) => item.kind === 'section')
    this.#tellsFlags = plan.items.some((item) => item.kind === 'record' && item.name === 'FLAGS')
  }

  /** @throws ConnectionGone */
  async write(block: readonly Fetched[]): Promise<void> {
    if (block.length === 0) return
    if (!this.#needsIndex && !this.#hasSections) return this.#writeRecords(block)
    const infos = this.#needsIndex ? await this.#mailboxes.infos(block.map(({ record }) => record)) : []
    const jobs = block.flatMap((fetched, at) => {
      const info = infos[at]
      if (this.#needsIndex && info === undefined) {
        this.gone++
        return []
      }
      return [{ fetched, index: info?.index as MessageIndex | undefined }]
    })
    if (this.#hasSections) return this.#writeSections(jobs)
    for (const { fetched, index } of jobs) {
      this.#out.text(this.#textAnswer(fetched, index))
      const pause = this.#out.breathe()
      if (pause) await pause
    }
  }

  #writeRecords(block: readonly Fetched[]): void {
    const writers = this.#plan.items.map((item) => recordWriters[(item as { name: RecordItem }).name])
    let text = ''
    for (const { sequence, record } of block) {
      text += `* ${sequence} FETCH (`
      for (let at = 0; at < writers.length; at++) {
        if (at > 0) text += ' '
        text += (writers[at] as (record: MessageRecord) => string)(record)
      }
      text += ')\r\n'
    }
    this.#out.text(text)
  }

  #textAnswer({ sequence, record }: Fetched, index: MessageIndex | undefined): string {
    const texts = this.#plan.items.map((item) => this.#textItem(item, record, index))
    return `* ${sequence} FETCH (${texts.join(' ')})\r\n`
  }

  #textItem(item: FetchItem, record: MessageRecord, index: MessageIndex | undefined): string {
    if (item.kind === 'record') return recordWriters[item.name](record)
    if (item.kind === 'index' && index !== undefined) return indexWriters[item.name](index, this.#plan.utf8)
    return ''
  }

  async #writeSections(jobs: readonly { fetched: Fetched; index: MessageIndex | undefined }[]): Promise<void> {
    const ahead: Promise<Piece[]>[] = []
    for (let at = 0; at < jobs.length; at++) {
      for (let next = ahead.length; next < jobs.length && next < at + READ_AHEAD_MESSAGES; next++) {
        const job = jobs[next] as (typeof jobs)[number]
        const answer = this.#pieces(job.fetched, job.index)
        // Looked at in its turn; until then a failure is nobody's.
        answer.catch(() => {})
        ahead.push(answer)
      }
      const job = jobs[at] as (typeof jobs)[number]
      let pieces: Piece[]
      try {
        pieces = await (ahead[at] as Promise<Piece[]>)
      } catch (error) {
        if (!isErrorCode(error, 'message-damaged')) throw error
        this.damaged++
        continue
      }
      ahead[at] = Promise.resolve([])
      for (const piece of pieces) await this.#writePiece(piece, job.fetched.record)
      const pause = this.#out.breathe()
      if (pause) await pause
    }
  }

  async #writePiece(piece: Piece, record: MessageRecord): Promise<void> {
    if (typeof piece === 'string') return this.#out.text(piece)
    if (piece instanceof Uint8Array) return this.#out.bytes(piece)
    try {
      for await (const chunk of this.#mailboxes.stream(record, piece.start, piece.end)) {
        this.#out.bytes(chunk)
        const pause = this.#out.breathe()
        if (pause) await pause
      }
    } catch (error) {
      // The length is told already: nothing but the end of the connection is honest now.
      this.#out.abandon()
      throw error
    }
  }

  async #pieces({ sequence, record, nowSeen }: Fetched, index: MessageIndex | undefined): Promise<Piece[]> {
    const pieces: Piece[] = []
    let text = `* ${sequence} FETCH (`
    for (const [at, item] of this.#plan.items.entries()) {
      if (at > 0) text += ' '
      if (item.kind !== 'section') {
        text += this.#textItem(item, record, index)
        continue
      }
      const label = item.partial === undefined ? item.label : `${item.label}<${item.partial.start}>`
      const body = await this.#section(item, record, index)
      if (body === undefined) {
        text += `${label} NIL`
        continue
      }
      const length = body instanceof Uint8Array ? body.length : body.end - body.start
      text += `${label} {${length}}\r\n`
      pieces.push(text, body)
      text = ''
    }
    if (nowSeen && !this.#tellsFlags) {
      text += ` ${recordWriters.FLAGS(record)}`
      if (this.#plan.condstore) text += ` ${recordWriters.MODSEQ(record)}`
    }
    pieces.push(`${text})\r\n`)
    return pieces
  }

  /** The section's bytes, or where they are when they are too many to hold; undefined where there is no such part. */
  async #section(
    item: SectionItem,
    record: MessageRecord,
    index: MessageIndex | undefined,
  ): Promise<Uint8Array | ByteRange | undefined> {
    const { section, partial } = item
    const range = index === undefined ? { start: 0, end: record.size } : locateSection(index.root, section, record.size)
    if (range === undefined) return undefined
    if (section.what === 'fields' || section.what === 'other-fields') {
      const picked = pickFields(await this.#mailboxes.body(record, range.start, range.end), section)
      return partial === undefined ? picked : picked.subarray(partial.start, partial.start + partial.count)
    }
    const start = partial === undefined ? range.start : Math.min(range.end, range.start + partial.start)
    const end = partial === undefined ? range.end : Math.min(range.end, start + partial.count)
    if (end - start > HELD_BYTES_MAX) return { start, end }
    return end === start ? new Uint8Array(0) : this.#mailboxes.body(record, start, end)
  }
}
