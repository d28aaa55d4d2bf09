// Mailbox records as bytes, a version first: packed by hand where there are many (messages, journal), JSON where few.
// Layout: docs/internals/data-layout.md. Unknown versions are refused, never guessed at.
import type { AccountMailboxState, JournalEntry, JournalOp } from '@skein/mailboxes'
import type { MailboxRecord, MessageInfo, MessageRecord } from '@skein/mailboxes'
import { SkeinError, assert } from '@skein/runtime'

const VERSION = 1

/** In the order of the bits of the flags byte. */
const systemFlags = ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'] as const
const systemBits = new Map<string, number>(systemFlags.map((flag, index) => [flag, 1 << index]))
const noFlags: readonly string[] = Object.freeze([])
/** Arrays of system flags by bits: shared by all records that have no keywords. */
const systemSets: readonly (readonly string[])[] = Array.from({ length: 1 << systemFlags.length }, (_, bits) =>
  bits === 0 ? noFlags : Object.freeze(systemFlags.filter((_flag, index) => bits & (1 << index))),
)

const sameThread = 1
const sameSize = 2
const sameSavedDate = 4

const opCodes = { add: 1, flags: 2, expunge: 3, mailbox: 4, 'mailbox-delete': 5 } as const

/** Grows as needed; `take` gives out a copy and begins anew. */
class RecordWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #at = 0

  #room(count: number): number {
    if (this.#at + count > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    const at = this.#at
    this.#at += count
    return at
  }

  u8(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  u16(value: number): void {
    const at = this.#room(2)
    this.#bytes.writeUInt16LE(value, at)
  }

  u32(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeUInt32LE(value, at)
  }

  /** Any safe integer, or other number. */
  f64(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  /** At most 255 bytes of UTF-8. */
  shortText(text: string): void {
    const length = Buffer.byteLength(text)
    assert(length <= 255, 'a short text')
    this.u8(length)
    const at = this.#room(length)
    this.#bytes.write(text, at, length, length === text.length ? 'latin1' : 'utf8')
  }

  longText(text: string): void {
    const length = Buffer.byteLength(text)
    this.u32(length)
    const at = this.#room(length)
    this.#bytes.write(text, at, length, 'utf8')
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
  }

  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#at))
    this.#at = 0
    if (this.#bytes.length > 1024 * 1024) this.#bytes = Buffer.allocUnsafe(4096)
    return taken
  }
}

class RecordReader {
  readonly #bytes: Buffer
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes)
  }

  u8(): number {
    return this.#bytes.readUInt8(this.at++)
  }

  u16(): number {
    this.at += 2
    return this.#bytes.readUInt16LE(this.at - 2)
  }

  u32(): number {
    this.at += 4
    return this.#bytes.readUInt32LE(this.at - 4)
  }

  f64(): number {
    this.at += 8
    return this.#bytes.readDoubleLE(this.at - 8)
  }

  shortText(): string {
    const length = this.u8()
    this.at += length
    return this.#bytes.toString('utf8', this.at - length, this.at)
  }

  longText(): string {
    const length = this.u32()
    this.at += length
    return this.#bytes.toString('utf8', this.at - length, this.at)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function damagedRecord(what: string, cause?: unknown): SkeinError {
  return new SkeinError('record-damaged', 'permanent', `a stored record (${what}) can't be read`, cause)
}

function checkVersion(bytes: Uint8Array, what: string): void {
  if (bytes[0] !== VERSION) throw damagedRecord(`${what}, version ${bytes[0]}`)
}

const writer = new RecordWriter()

function writeFlags(flags: readonly string[]): void {
  let bits = 0
  let keywords = 0
  for (const flag of flags) {
    const bit = systemBits.get(flag)
    if (bit === undefined) keywords += 1
    else bits |= bit
  }
  writer.u8(bits)
  writer.u8(keywords)
  if (keywords === 0) return
  for (const flag of flags) if (!systemBits.has(flag)) writer.shortText(flag)
}

function readFlags(reader: RecordReader): readonly string[] {
  const bits = reader.u8()
  const keywords = reader.u8()
  const system = systemSets[bits] ?? noFlags
  if (keywords === 0) return system
  const flags = [...system]
  for (let index = 0; index < keywords; index++) flags.push(reader.shortText())
  return flags
}

/** Layout of version 1: see `message` in docs/internals/data-layout.md. */
export function encodeMessage(record: MessageRecord): Buffer {
  const { blob } = record
  const same =
    (record.threadId === record.emailId ? sameThread : 0) |
    (record.size === blob.length ? sameSize : 0) |
    (record.savedDateMs === record.internalDateMs ? sameSavedDate : 0)
  writer.u8(VERSION)
  writer.u8(same)
  writer.u32(record.uid)
  writer.f64(record.modseq)
  writer.f64(record.internalDateMs)
  writer.u32(blob.segment)
  writer.f64(blob.offset)
  writer.f64(blob.length)
  writeFlags(record.flags)
  writer.shortText(record.emailId)
  if (!(same & sameThread)) writer.shortText(record.threadId)
  if (!(same & sameSize)) writer.f64(record.size)
  if (!(same & sameSavedDate)) writer.f64(record.savedDateMs)
  return writer.take()
}

const messageFixedBytes = 42

// One scratch area for numbers: reading doubles by way of it is several times faster than readDoubleLE on many buffers.
const scratch = new Float64Array(4)
const scratchBytes = new Uint8Array(scratch.buffer)

/** The hot path of opening a mailbox: 100,000 of these in a row. */
export function decodeMessage(bytes: Uint8Array): MessageRecord {
  checkVersion(bytes, 'message')
  try {
    const same = bytes[1] as number
    const uid = u32At(bytes, 2)
    const modseq = f64At(bytes, 6)
    const internalDateMs = f64At(bytes, 14)
    const blob = { segment: u32At(bytes, 22), offset: f64At(bytes, 26), length: f64At(bytes, 34) }
    const reader = new RecordReader(bytes)
    reader.at = messageFixedBytes
    const flags = readFlags(reader)
    const emailId = reader.shortText()
    const threadId = same & sameThread ? emailId : reader.shortText()
    const size = same & sameSize ? blob.length : reader.f64()
    const savedDateMs = same & sameSavedDate ? internalDateMs : reader.f64()
    return { uid, modseq, flags, internalDateMs, size, blob, emailId, threadId, savedDateMs }
  } catch (cause) {
    throw damagedRecord('message', cause)
  }
}

function u32At(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}

function f64At(bytes: Uint8Array, at: number): number {
  for (let index = 0; index < 8; index++) scratchBytes[index] = bytes[at + index] as number
  return scratch[0] as number
}

/** @param packed bytes of messages that are encoded already, for `add` */
export function encodeJournalEntry(entry: JournalEntry, packed: ReadonlyMap<MessageRecord, Buffer>): Buffer {
  const adds: Buffer[] = []
  for (const op of entry.ops) if (op.op === 'add') adds.push(packed.get(op.message) ?? encodeMessage(op.message))
  let nextAdd = 0
  writer.u8(VERSION)
  writer.f64(entry.seq)
  writer.f64(entry.epoch)
  writer.f64(entry.modseq)
  writer.f64(entry.atMs)
  writer.u32(entry.ops.length)
  for (const op of entry.ops) {
    writer.u8(opCodes[op.op])
    switch (op.op) {
      case 'add': {
        const message = adds[nextAdd++] as Buffer
        writer.shortText(op.mailbox)
        writer.shortText(op.deliveryId ?? '')
        writer.u16(message.length)
        writer.raw(message)
        break
      }
      case 'flags':
        writer.shortText(op.mailbox)
        writer.u32(op.uid)
        writeFlags(op.flags)
        break
      case 'expunge':
        writer.shortText(op.mailbox)
        writer.u32(op.uid)
        writer.shortText(op.emailId)
        break
      case 'mailbox':
        writer.longText(JSON.stringify(op.mailbox))
        break
      case 'mailbox-delete':
        writer.shortText(op.mailbox)
        writer.longText(op.name)
        break
    }
  }
  return writer.take()
}

export function decodeJournalEntry(bytes: Uint8Array): JournalEntry {
  checkVersion(bytes, 'journal')
  try {
    const reader = new RecordReader(bytes)
    reader.at = 1
    const entry: JournalEntry = {
      seq: reader.f64(),
      epoch: reader.f64(),
      modseq: reader.f64(),
      atMs: reader.f64(),
      ops: [],
    }
    const count = reader.u32()
    for (let index = 0; index < count; index++) entry.ops.push(readOp(reader, bytes))
    return entry
  } catch (cause) {
    throw damagedRecord('journal', cause)
  }
}

function readOp(reader: RecordReader, bytes: Uint8Array): JournalOp {
  const code = reader.u8()
  switch (code) {
    case opCodes.add: {
      const mailbox = reader.shortText()
      const deliveryId = reader.shortText()
      const length = reader.u16()
      const message = decodeMessage(bytes.subarray(reader.at, reader.at + length))
      reader.at += length
      return deliveryId === '' ? { op: 'add', mailbox, message } : { op: 'add', mailbox, message, deliveryId }
    }
    case opCodes.flags:
      return { op: 'flags', mailbox: reader.shortText(), uid: reader.u32(), flags: readFlags(reader) }
    case opCodes.expunge:
      return { op: 'expunge', mailbox: reader.shortText(), uid: reader.u32(), emailId: reader.shortText() }
    case opCodes.mailbox:
      return { op: 'mailbox', mailbox: JSON.parse(reader.longText()) as MailboxRecord }
    case opCodes['mailbox-delete']:
      return { op: 'mailbox-delete', mailbox: reader.shortText(), name: reader.longText() }
    default:
      throw damagedRecord(`journal operation ${code}`)
  }
}

function encodeJson(value: unknown): Buffer {
  return encodeText(JSON.stringify(value))
}

function decodeJson(bytes: Uint8Array, what: string): unknown {
  checkVersion(bytes, what)
  try {
    return JSON.parse(asBuffer(bytes).toString('utf8', 1))
  } catch (cause) {
    throw damagedRecord(what, cause)
  }
}

export const encodeState: (state: AccountMailboxState) => Buffer = encodeJson
export const decodeState = (bytes: Uint8Array): AccountMailboxState => decodeJson(bytes, 'state') as AccountMailboxState
export const encodeMailbox: (mailbox: MailboxRecord) => Buffer = encodeJson
export const decodeMailbox = (bytes: Uint8Array): MailboxRecord => decodeJson(bytes, 'mailbox') as MailboxRecord
/** The index alone: its emailId is the key. */
export const encodeInfo = (info: MessageInfo): Buffer => encodeJson(info.index)
export const decodeInfo = (emailId: string, bytes: Uint8Array): MessageInfo => ({
  emailId,
  index: decodeJson(bytes, 'info'),
})

/** A moment or a small number. */
export function encodeNumber(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(9)
  bytes[0] = VERSION
  bytes.writeDoubleLE(value, 1)
  return bytes
}

export function decodeNumber(bytes: Uint8Array): number {
  checkVersion(bytes, 'number')
  return asBuffer(bytes).readDoubleLE(1)
}

export function encodeText(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(1 + length)
  bytes[0] = VERSION
  bytes.write(text, 1, length, length === text.length ? 'latin1' : 'utf8')
  return bytes
}

export function decodeText(bytes: Uint8Array): string {
  checkVersion(bytes, 'text')
  return asBuffer(bytes).toString('utf8', 1)
}
