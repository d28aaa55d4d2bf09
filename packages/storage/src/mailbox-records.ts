// Mailbox records as bytes, a version first: packed by hand where there are many (messages, journal), JSON where few.
// Layout: docs/internals/data-layout.md. Unknown versions are refused, never guessed at.
import type { AccountMailboxState, JournalEntry, JournalOp } from '@skein/mailboxes'
import type { MailboxRecord, MessageInfo, MessageRecord, ReaderRecord, SeenMark } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import { RecordReader, RecordWriter, asBuffer } from './record-bytes.ts'

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

const opCodes = {
  add: 1,
  flags: 2,
  expunge: 3,
  mailbox: 4,
  'mailbox-delete': 5,
  seen: 7,
  reader: 8,
  annotation: 9,
  quota: 10,
  subscription: 11,
} as const
/** Several `flags` operations in a row that say the same. */
const flagsRunCode = 6

export function damagedRecord(what: string, cause?: unknown): SkeinError {
  return new SkeinError('record-damaged', 'permanent', `a stored record (${what}) can't be read`, cause)
}

export function checkVersion(bytes: Uint8Array, what: string): void {
  if (bytes[0] !== VERSION) throw damagedRecord(`${what}, version ${bytes[0]}`)
}

const writer = new RecordWriter()

export function writeFlags(writer: RecordWriter, flags: readonly string[]): void {
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

export function readFlags(reader: RecordReader): readonly string[] {
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
  writeMessage(writer, record)
  return writer.take()
}

/** Appends what `encodeMessage` gives. */
export function writeMessage(writer: RecordWriter, record: MessageRecord): void {
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
  writeFlags(writer, record.flags)
  writer.shortText(record.emailId)
  if (!(same & sameThread)) writer.shortText(record.threadId)
  if (!(same & sameSize)) writer.f64(record.size)
  if (!(same & sameSavedDate)) writer.f64(record.savedDateMs)
}

export function decodeMessage(bytes: Uint8Array): MessageRecord {
  try {
    return readMessage(new RecordReader(bytes))
  } catch (cause) {
    if (cause instanceof SkeinError) throw cause
    throw damagedRecord('message', cause)
  }
}

/** The hot path of opening a mailbox: 100,000 of these in a row. @throws SkeinError `record-damaged`, RangeError */
export function readMessage(reader: RecordReader): MessageRecord {
  const version = reader.u8()
  if (version !== VERSION) throw damagedRecord(`message, version ${version}`)
  const same = reader.u8()
  const uid = reader.u32()
  const modseq = reader.f64()
  const internalDateMs = reader.f64()
  const segment = reader.u32()
  const offset = reader.f64()
  const length = reader.f64()
  const flags = readFlags(reader)
  const emailId = reader.shortText()
  const threadId = same & sameThread ? emailId : reader.shortText()
  const size = same & sameSize ? length : reader.f64()
  const savedDateMs = same & sameSavedDate ? internalDateMs : reader.f64()
  return { uid, modseq, flags, internalDateMs, size, blob: { segment, offset, length }, emailId, threadId, savedDateMs }
}

export function encodeJournalEntry(entry: JournalEntry): Buffer {
  writer.u8(VERSION)
  writer.f64(entry.seq)
  writer.f64(entry.epoch)
  writer.f64(entry.modseq)
  writer.f64(entry.atMs)
  const countAt = writer.hole32()
  let count = 0
  for (let at = 0; at < entry.ops.length; count++) {
    const run = flagsRun(entry.ops, at)
    if (run.length > 1) writeFlagsRun(run)
    else writeOp(entry.ops[at] as JournalOp)
    at += Math.max(1, run.length)
  }
  writer.fill32(countAt, count)
  return writer.take()
}

type FlagsOp = Extract<JournalOp, { op: 'flags' }>

/** The operations from `at` on that set the same flags in the same mailbox, in ascending UID. */
function flagsRun(ops: readonly JournalOp[], at: number): FlagsOp[] {
  const run: FlagsOp[] = []
  for (let next = at; next < ops.length; next++) {
    const op = ops[next] as JournalOp
    if (op.op !== 'flags') break
    const last = run[run.length - 1]
    if (last && (op.mailbox !== last.mailbox || op.uid <= last.uid || !sameFlags(op.flags, last.flags))) break
    run.push(op)
  }
  return run
}

export function sameFlags(some: readonly string[], others: readonly string[]): boolean {
  return some === others || (some.length === others.length && some.every((flag, index) => flag === others[index]))
}

function writeFlagsRun(run: readonly FlagsOp[]): void {
  const first = run[0] as FlagsOp
  writer.u8(flagsRunCode)
  writer.shortText(first.mailbox)
  writeFlags(writer, first.flags)
  writer.numbers(run.map((op) => op.uid))
}

function writeOp(op: JournalOp): void {
  writer.u8(opCodes[op.op])
  switch (op.op) {
    case 'add': {
      writer.shortText(op.mailbox)
      writer.shortText(op.deliveryId ?? '')
      const lengthAt = writer.hole16()
      writeMessage(writer, op.message)
      writer.fill16(lengthAt)
      break
    }
    case 'flags':
      writer.shortText(op.mailbox)
      writer.u32(op.uid)
      writeFlags(writer, op.flags)
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
    case 'seen':
      writer.shortText(op.mailbox)
      writer.shortText(op.user)
      writer.u8(Number(op.seen))
      writer.numbers(op.uids)
      break
    case 'reader':
    case 'annotation':
    case 'quota':
    case 'subscription':
      writer.longText(JSON.stringify(op))
      break
  }
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
    for (let index = 0; index < count; index++) {
      const code = reader.u8()
      if (code === flagsRunCode) readFlagsRun(reader, entry.ops)
      else entry.ops.push(readOp(code, reader, bytes))
    }
    return entry
  } catch (cause) {
    throw damagedRecord('journal', cause)
  }
}

function readFlagsRun(reader: RecordReader, ops: JournalOp[]): void {
  const mailbox = reader.shortText()
  const flags = readFlags(reader)
  for (const uid of reader.numbers()) ops.push({ op: 'flags', mailbox, uid, flags })
}

function readOp(code: number, reader: RecordReader, bytes: Uint8Array): JournalOp {
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
    case opCodes.seen: {
      const mailbox = reader.shortText()
      const user = reader.shortText()
      const seen = reader.u8() === 1
      return { op: 'seen', mailbox, user, uids: reader.numbers(), seen }
    }
    case opCodes.reader:
    case opCodes.annotation:
    case opCodes.quota:
    case opCodes.subscription:
      return JSON.parse(reader.longText()) as JournalOp
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

export const encodeReader: (reader: ReaderRecord) => Buffer = encodeJson
export const decodeReader = (bytes: Uint8Array): ReaderRecord => decodeJson(bytes, 'reader') as ReaderRecord

/** What one commit changes of a reader's own \\Seen. */
export interface SeenChange {
  modseq: number
  seen: number[]
  unseen: number[]
  /** Expunged. */
  gone: number[]
}

export function encodeSeenChange({ modseq, seen, unseen, gone }: SeenChange): Buffer {
  writer.u8(VERSION)
  writer.f64(modseq)
  for (const uids of [seen, unseen, gone]) writer.numbers(uids.sort((a, b) => a - b))
  return writer.take()
}

export function decodeSeenChange(bytes: Uint8Array): SeenChange {
  checkVersion(bytes, 'seen')
  try {
    const reader = new RecordReader(bytes)
    reader.at = 1
    return { modseq: reader.f64(), seen: reader.numbers(), unseen: reader.numbers(), gone: reader.numbers() }
  } catch (cause) {
    throw damagedRecord('seen', cause)
  }
}

export function applySeenChange(marks: Map<number, SeenMark>, { modseq, seen, unseen, gone }: SeenChange): void {
  for (const uid of seen) marks.set(uid, { uid, seen: true, modseq })
  for (const uid of unseen) marks.set(uid, { uid, seen: false, modseq })
  for (const uid of gone) marks.delete(uid)
}

/** @param uids ascending */
export function encodeUids(uids: readonly number[]): Buffer {
  writer.u8(VERSION)
  writer.numbers(uids)
  return writer.take()
}

export function decodeUids(bytes: Uint8Array): number[] {
  checkVersion(bytes, 'UIDs')
  try {
    const reader = new RecordReader(bytes)
    reader.at = 1
    return reader.numbers()
  } catch (cause) {
    throw damagedRecord('UIDs', cause)
  }
}
