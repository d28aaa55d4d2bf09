// One page of messages as bytes: columns side by side, and messages that look into them. Opening a mailbox of 100,000 messages
// reads UIDs, MODSEQs and flags; everything else of a message is read where it is asked for.
// Layout of version 2: see `page` in docs/internals/data-layout.md.
import type { BlobRef, MessageRecord } from '@skein/mailboxes'
import { damagedRecord, readFlags, readMessage, sameFlags, writeFlags } from './mailbox-records.ts'
import { RecordReader, RecordWriter } from './record-bytes.ts'

const VERSION = 2
/** Messages one after the other: read, and written anew as version 2 when the page changes. */
const packedVersion = 1
const headerBytes = 8
/** Where each column begins, in bytes a message before it. */
const column = {
  uid: 0,
  modseq: 4,
  date: 12,
  segment: 20,
  offset: 24,
  length: 32,
  text: 36,
  flags: 40,
  end: 42,
} as const
/** What a message has that is not the same as something else of it; it stands before its texts. */
const own = { thread: 1, size: 2, savedDate: 4 } as const

const writer = new RecordWriter()

/** @param records ascending, at most 512 */
export function encodePage(records: readonly MessageRecord[]): Buffer {
  const sets: (readonly string[])[] = []
  const setOf = records.map(({ flags }) => {
    const known = sets.findIndex((set) => sameFlags(set, flags))
    return known >= 0 ? known : sets.push(flags) - 1
  })
  const texts = new RecordWriter()
  const textAt: number[] = []
  let textBytes = 0
  for (const record of records) {
    textAt.push(textBytes)
    textBytes += writeTexts(texts, record)
  }
  writer.u8(VERSION)
  writer.u8(0)
  writer.u16(records.length)
  writer.u32(sets.length)
  for (const { uid } of records) writer.u32(uid)
  for (const { modseq } of records) writer.f64(modseq)
  for (const { internalDateMs } of records) writer.f64(internalDateMs)
  for (const { blob } of records) writer.u32(blob.segment)
  for (const { blob } of records) writer.f64(blob.offset)
  for (const { blob } of records) writer.u32(blob.length)
  for (const at of textAt) writer.u32(at)
  for (const set of setOf) writer.u16(set)
  writer.raw(texts.take())
  for (const set of sets) writeFlags(writer, set)
  writer.u32(textBytes)
  return writer.take()
}

/** @returns how many bytes it took */
function writeTexts(texts: RecordWriter, record: MessageRecord): number {
  const { emailId, threadId, size, savedDateMs, internalDateMs, blob } = record
  const has =
    (threadId === emailId ? 0 : own.thread) |
    (size === blob.length ? 0 : own.size) |
    (savedDateMs === internalDateMs ? 0 : own.savedDate)
  const before = texts.length
  texts.u8(has)
  if (has & own.size) texts.f64(size)
  if (has & own.savedDate) texts.f64(savedDateMs)
  texts.shortText(emailId)
  if (has & own.thread) texts.shortText(threadId)
  return texts.length - before
}

/** Appends the page's messages. @throws SkeinError `record-damaged` */
export function decodePage(bytes: Uint8Array, into: MessageRecord[]): void {
  const version = bytes[0]
  if (version !== VERSION && version !== packedVersion) throw damagedRecord(`page of messages, version ${version}`)
  try {
    if (version === packedVersion) return readPacked(bytes, into)
    const page = new Page(bytes)
    for (let index = 0; index < page.count; index++) into.push(new PagedMessage(page, index))
  } catch (cause) {
    throw damagedRecord('page of messages', cause)
  }
}

function readPacked(bytes: Uint8Array, into: MessageRecord[]): void {
  const reader = new RecordReader(bytes)
  reader.at = 1
  while (!reader.atEnd) into.push(readMessage(reader))
}

/** Bytes are checked here as far as places go, so that nothing asked later reads outside of them. */
class Page {
  readonly count: number
  readonly flags: readonly (readonly string[])[]
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #textsAt: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.count = this.#view.getUint16(2, true)
    const sets = this.#view.getUint32(4, true)
    this.#textsAt = headerBytes + this.count * column.end
    const textBytes = this.#view.getUint32(bytes.length - 4, true)
    const reader = new RecordReader(bytes)
    reader.at = this.#textsAt + textBytes
    const flags: (readonly string[])[] = []
    for (let set = 0; set < sets; set++) flags.push(readFlags(reader))
    if (reader.at !== bytes.length - 4) throw new RangeError('the page does not end where it should')
    this.flags = flags
    this.#check(textBytes)
  }

  #check(textBytes: number): void {
    for (let index = 0; index < this.count; index++) {
      const at = this.u32(column.text, index)
      const next = index + 1 < this.count ? this.u32(column.text, index + 1) : textBytes
      if (next > textBytes || this.#textsEnd(at) !== next || this.u16(column.flags, index) >= this.flags.length) {
        throw new RangeError('the page points outside of itself')
      }
    }
  }

  /** Where the texts that begin at `at` end, by their own lengths; NaN outside of the page. */
  #textsEnd(at: number): number {
    const bytes = this.#bytes
    const has = bytes[this.#textsAt + at] as number
    let end = at + 1 + (has & own.size ? 8 : 0) + (has & own.savedDate ? 8 : 0)
    end += 1 + (bytes[this.#textsAt + end] as number)
    if (has & own.thread) end += 1 + (bytes[this.#textsAt + end] as number)
    return end
  }

  u16(place: number, index: number): number {
    return this.#view.getUint16(headerBytes + place * this.count + index * 2, true)
  }

  u32(place: number, index: number): number {
    return this.#view.getUint32(headerBytes + place * this.count + index * 4, true)
  }

  f64(place: number, index: number): number {
    return this.#view.getFloat64(headerBytes + place * this.count + index * 8, true)
  }

  /** What stands for one message only, from the place where its columns say. */
  texts(index: number): RecordReader {
    const reader = new RecordReader(this.#bytes)
    reader.at = this.#textsAt + this.u32(column.text, index)
    return reader
  }
}

class PagedMessage implements MessageRecord {
  readonly uid: number
  readonly modseq: number
  readonly flags: readonly string[]
  readonly #page: Page
  readonly #index: number

  constructor(page: Page, index: number) {
    this.uid = page.u32(column.uid, index)
    this.modseq = page.f64(column.modseq, index)
    this.flags = page.flags[page.u16(column.flags, index)] as readonly string[]
    this.#page = page
    this.#index = index
  }

  get internalDateMs(): number {
    return this.#page.f64(column.date, this.#index)
  }

  get blob(): BlobRef {
    const page = this.#page
    const index = this.#index
    const [segment, length] = [page.u32(column.segment, index), page.u32(column.length, index)]
    return { segment, offset: page.f64(column.offset, index), length }
  }

  get size(): number {
    const reader = this.#page.texts(this.#index)
    return reader.u8() & own.size ? reader.f64() : this.#page.u32(column.length, this.#index)
  }

  get savedDateMs(): number {
    const reader = this.#page.texts(this.#index)
    const has = reader.u8()
    if (!(has & own.savedDate)) return this.internalDateMs
    if (has & own.size) reader.f64()
    return reader.f64()
  }

  get emailId(): string {
    return this.#ids(false)
  }

  get threadId(): string {
    return this.#ids(true)
  }

  #ids(thread: boolean): string {
    const reader = this.#page.texts(this.#index)
    const has = reader.u8()
    reader.at += (has & own.size ? 8 : 0) + (has & own.savedDate ? 8 : 0)
    const emailId = reader.shortText()
    return thread && has & own.thread ? reader.shortText() : emailId
  }
}
