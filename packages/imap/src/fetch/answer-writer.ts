// Writes FETCH answers: record items at once, index items by the block, sections read a few messages ahead.
// Promises: a literal's announced length is always what follows it, or the connection ends.
import { imapInternalDate } from '@skein/mail'
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MailboxId, MessageRecord } from '@skein/mailboxes'
import { isErrorCode } from '@skein/runtime'
import type { Output } from '../output.ts'
import type { Enabled } from '../session.ts'
import { fetchHead, firstNotBelow } from '../view.ts'
import type { AccountAnswers } from './answer-cache.ts'
import { BinaryReader } from './binary-section.ts'
import type { BinaryItem, FetchItem, IndexItem, RecordItem } from './fetch-item.ts'
import type { ByteRange } from './section.ts'
import { readSection } from './section-source.ts'
import { formatEnvelope, formatPreview, formatStructure } from './structure.ts'

export interface FetchPlan {
  mailbox: MailboxId
  items: readonly FetchItem[]
  /** Some item sets \Seen, and the mailbox is open for writing. */
  setsSeen: boolean
  enabled: Enabled
  /** Index items as written before. */
  answers: AccountAnswers
}

export interface Fetched {
  sequence: number
  record: MessageRecord
  /** \Seen was set by this very command, so its FLAGS are told too. */
  nowSeen: boolean
}

/** One message to be written. */
interface Job {
  fetched: Fetched
  /** Its index items as written, in order; undefined where the message is gone. */
  texts: string[] | undefined
  /** Only where it had to be read. */
  index: MessageIndex | undefined
}

/** A piece of an answer: a byte string, bytes, a range that is streamed from the message, or what makes bytes. */
type Piece = string | Uint8Array | ByteRange | (() => AsyncIterable<Uint8Array>)

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

/** Whether the section's place is known only from the index. The message's own header is found by reading it. */
function needsIndex(item: FetchItem): boolean {
  if (item.kind === 'section') return item.section.part.length > 0
  return (item.kind === 'binary' || item.kind === 'binary-size') && item.part.length > 0
}

export class AnswerWriter {
  /** Messages that went away while they were read. */
  gone = 0
  /** Messages whose bytes the disk no longer gives back. */
  damaged = 0
  /** Messages with a part whose transfer encoding nobody knows. */
  undecodable = 0
  readonly #binary: BinaryReader
  readonly #mailboxes: AccountMailboxes
  readonly #out: Output
  readonly #plan: FetchPlan
  readonly #indexItems: readonly IndexItem[]
  readonly #sectionsNeedIndex: boolean
  readonly #hasSections: boolean
  readonly #tellsFlags: boolean

  constructor(mailboxes: AccountMailboxes, out: Output, plan: FetchPlan) {
    this.#mailboxes = mailboxes
    this.#out = out
    this.#plan = plan
    this.#indexItems = plan.items.flatMap((item) => (item.kind === 'index' ? [item.name] : []))
    this.#sectionsNeedIndex = plan.items.some(needsIndex)
    this.#hasSections = plan.items.some((item) => item.kind !== 'record' && item.kind !== 'index')
    this.#binary = new BinaryReader(mailboxes, () => out.breathe())
    this.#tellsFlags = plan.items.some((item) => item.kind === 'record' && item.name === 'FLAGS')
  }

  /** @throws ConnectionGone */
  async write(block: readonly Fetched[]): Promise<void> {
    if (block.length === 0) return
    if (this.#indexItems.length === 0 && !this.#hasSections) return this.#writeRecords(block)
    const jobs = await this.#jobsOf(block)
    if (this.#hasSections) return this.#writeSections(jobs)
    for (const job of jobs) {
      this.#out.text(this.#textAnswer(job))
      const pause = this.#out.breathe()
      if (pause) await pause
    }
  }

  /** What is cached is taken from there; the indexes of the rest are read, and their items cached. */
  async #jobsOf(block: readonly Fetched[]): Promise<Job[]> {
    const jobs: Job[] = block.map((fetched) => ({
      fetched,
      texts: this.#cachedTexts(fetched.record.emailId),
      index: undefined,
    }))
    const wanted = jobs.filter((job) => job.texts === undefined || this.#sectionsNeedIndex)
    if (wanted.length === 0) return jobs
    const infos = await this.#mailboxes.infos(wanted.map((job) => job.fetched.record))
    for (const [at, job] of wanted.entries()) {
      const index = infos[at]?.index as MessageIndex | undefined
      if (index === undefined) {
        if (await this.#isThere(job.fetched.record)) this.damaged++
        else this.gone++
        job.texts = undefined
        continue
      }
      job.index = index
      job.texts ??= this.#writeTexts(job.fetched.record.emailId, index)
    }
    return jobs.filter((job) => job.texts !== undefined)
  }

  async #isThere(record: MessageRecord): Promise<boolean> {
    const live = await this.#mailboxes.messages(this.#plan.mailbox)
    return live[firstNotBelow(live, record.uid)]?.uid === record.uid
  }

  #cachedTexts(emailId: string): string[] | undefined {
    const texts: string[] = []
    for (const item of this.#indexItems) {
      const text = this.#plan.answers.get(emailId, item)
      if (text === undefined) return undefined
      texts.push(text)
    }
    return texts
  }

  #writeTexts(emailId: string, index: MessageIndex): string[] {
    return this.#indexItems.map((item) => {
      const text = indexWriters[item](index, this.#plan.enabled.utf8)
      this.#plan.answers.put(emailId, item, text)
      return text
    })
  }

  #writeRecords(block: readonly Fetched[]): void {
    const writers = this.#plan.items.map((item) => recordWriters[(item as { name: RecordItem }).name])
    const { enabled } = this.#plan
    let text = ''
    for (const { sequence, record } of block) {
      text += fetchHead(sequence, record.uid, enabled)
      for (let at = 0; at < writers.length; at++) {
        if (at > 0) text += ' '
        text += (writers[at] as (record: MessageRecord) => string)(record)
      }
      text += ')\r\n'
    }
    this.#out.text(text)
  }

  #textAnswer({ fetched: { sequence, record }, texts = [] }: Job): string {
    let text = fetchHead(sequence, record.uid, this.#plan.enabled)
    let nextText = 0
    for (const [at, item] of this.#plan.items.entries()) {
      if (at > 0) text += ' '
      if (item.kind === 'record') text += recordWriters[item.name](record)
      else text += texts[nextText++]
    }
    return `${text})\r\n`
  }

  async #writeSections(jobs: readonly Job[]): Promise<void> {
    const ahead: Promise<Piece[]>[] = []
    for (let at = 0; at < jobs.length; at++) {
      for (let next = ahead.length; next < jobs.length && next < at + READ_AHEAD_MESSAGES; next++) {
        const answer = this.#pieces(jobs[next] as Job)
        // Looked at in its turn; until then a failure is nobody's.
        answer.catch(() => {})
        ahead.push(answer)
      }
      const { fetched } = jobs[at] as Job
      let pieces: Piece[]
      try {
        pieces = await (ahead[at] as Promise<Piece[]>)
      } catch (error) {
        if (error instanceof UnknownEncoding) this.undecodable++
        else if (isErrorCode(error, 'message-damaged')) this.damaged++
        else throw error
        continue
      }
      ahead[at] = Promise.resolve([])
      for (const piece of pieces) await this.#writePiece(piece, fetched.record)
      const pause = this.#out.breathe()
      if (pause) await pause
    }
  }

  async #writePiece(piece: Piece, record: MessageRecord): Promise<void> {
    if (typeof piece === 'string') return this.#out.text(piece)
    if (piece instanceof Uint8Array) return this.#out.bytes(piece)
    try {
      const chunks = typeof piece === 'function' ? piece() : this.#mailboxes.stream(record, piece.start, piece.end)
      for await (const chunk of chunks) {
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

  async #pieces({ fetched, index, texts = [] }: Job): Promise<Piece[]> {
    const { sequence, record, nowSeen } = fetched
    let nextText = 0
    const pieces: Piece[] = []
    let text = fetchHead(sequence, record.uid, this.#plan.enabled)
    for (const [at, item] of this.#plan.items.entries()) {
      if (at > 0) text += ' '
      if (item.kind === 'record' || item.kind === 'index') {
        text += item.kind === 'record' ? recordWriters[item.name](record) : texts[nextText++]
        continue
      }
      if (item.kind === 'binary-size') {
        text += `${item.label} ${decodable(await this.#binary.size(record, index?.root, item.part))}`
        continue
      }
      const label = item.partial === undefined ? item.label : `${item.label}<${item.partial.origin}>`
      const { head, body } =
        item.kind === 'binary'
          ? await this.#binaryPiece(item, record, index)
          : ofSection(await readSection(this.#mailboxes, record, index, item))
      text += `${label} ${head}`
      if (body === undefined) continue
      pieces.push(text, body)
      text = ''
    }
    if (nowSeen && !this.#tellsFlags) {
      text += ` ${recordWriters.FLAGS(record)}`
      if (this.#plan.enabled.condstore) text += ` ${recordWriters.MODSEQ(record)}`
    }
    pieces.push(`${text})\r\n`)
    return pieces
  }

  /** RFC 3516 §4.3: literal8 where the bytes hold a NUL. */
  async #binaryPiece(item: BinaryItem, record: MessageRecord, index: MessageIndex | undefined): Promise<Announced> {
    const found = await this.#binary.read(record, index?.root, item.part, item.partial)
    if (found === undefined) return NIL
    const known = decodable(found.kind === 'unknown-encoding' ? found.kind : found)
    if (known.kind === 'stream') {
      return { head: `${known.hasNul ? '~' : ''}{${known.length}}\r\n`, body: known.chunks }
    }
    return { head: `${known.bytes.includes(0) ? '~' : ''}{${known.bytes.length}}\r\n`, body: known.bytes }
  }
}

/** What stands before a body, and the body. */
interface Announced {
  head: string
  body: Piece | undefined
}

const NIL: Announced = { head: 'NIL', body: undefined }

function ofSection(body: Uint8Array | ByteRange | undefined): Announced {
  if (body === undefined) return NIL
  return { head: `{${body instanceof Uint8Array ? body.length : body.end - body.start}}\r\n`, body }
}

class UnknownEncoding extends Error {}

/** @throws UnknownEncoding */
function decodable<Found>(found: Found | 'unknown-encoding'): Found {
  if (found === 'unknown-encoding') throw new UnknownEncoding('nobody knows the transfer encoding')
  return found
}
