// Where the messages of mailboxes lie: in pages of 512 UIDs, and, for what has changed since, in one delta a commit.
// Promises: the pages with all deltas over them, in order, are the messages; applying a delta again changes nothing.
import { type MailboxCommit, type MailboxId, type MessageRecord, withFlags } from '@skein/mailboxes'
import { type DatabaseReader, afterPrefix } from './database-reader.ts'
import { damagedRecord, readFlags, readMessage, sameFlags, writeFlags, writeMessage } from './mailbox-records.ts'
import { decodePage } from './message-page.ts'
import { RecordReader, RecordWriter } from './record-bytes.ts'

const VERSION = 1
const pageBits = 9

/** Each prefix ends in '!'. */
export const messageKeys = {
  allPages: (account: string) => `a!${account}!page!`,
  pages: (account: string, mailbox: MailboxId) => `a!${account}!page!${mailbox}!`,
  /** Six hex digits hold the 2^23 pages of 2^32 UIDs. */
  page: (account: string, mailbox: MailboxId, page: number) =>
    `a!${account}!page!${mailbox}!${page.toString(16).padStart(6, '0')}`,
  deltas: (account: string) => `a!${account}!delta!`,
  delta: (account: string, seq: number) => `a!${account}!delta!${seq.toString(16).padStart(11, '0')}`,
} as const

export function pageOf(uid: number): number {
  return uid >>> pageBits
}

/* ------------------------------------------------------------------ deltas */

/** What one commit does to messages. */
export type MessageChange =
  | { kind: 'put'; mailbox: MailboxId; records: readonly MessageRecord[] }
  | { kind: 'flags'; mailbox: MailboxId; uids: readonly number[]; flags: readonly string[]; modseq: number }
  | { kind: 'delete'; mailbox: MailboxId; uids: readonly number[] }
  | { kind: 'drop'; mailbox: MailboxId }

const codes = { put: 1, flags: 2, delete: 3, drop: 4 } as const

const writer = new RecordWriter()

/**
 * The delta of a commit; undefined where it leaves messages alone. A put whose UID has a `flags` operation in the
 * commit's entry differs from what was there in flags and MODSEQ only: many of those take a few bytes together.
 */
export function encodeDelta(commit: MailboxCommit): Buffer | undefined {
  const changes = changesOf(commit)
  if (changes.length === 0) return undefined
  writer.u8(VERSION)
  for (const change of changes) {
    writer.u8(codes[change.kind])
    writer.shortText(change.mailbox)
    if (change.kind === 'put') {
      writer.u32(change.records.length)
      for (const record of change.records) writeMessage(writer, record)
    } else if (change.kind === 'flags') {
      writer.f64(change.modseq)
      writeFlags(writer, change.flags)
      writer.numbers(change.uids)
    } else if (change.kind === 'delete') writer.numbers(change.uids)
  }
  return writer.take()
}

function changesOf(commit: MailboxCommit): MessageChange[] {
  const { ops, modseq } = commit.entry
  const changes: MessageChange[] = []
  let at = 0
  for (const { mailbox, record } of commit.putMessages) {
    // Puts and operations come in one order; one that did not would be written in full, which is as right.
    while (at < ops.length && ops[at]?.op !== 'flags') at += 1
    const op = ops[at]
    const flagged = op?.op === 'flags' && op.uid === record.uid && op.mailbox === mailbox && record.modseq === modseq
    if (flagged) at += 1
    addPut(changes, mailbox, record, flagged)
  }
  const deleted = Map.groupBy(commit.deleteMessages, (gone) => gone.mailbox)
  for (const [mailbox, gone] of deleted) {
    changes.push({ kind: 'delete', mailbox, uids: gone.map(({ uid }) => uid).sort((a, b) => a - b) })
  }
  for (const mailbox of commit.deleteMailboxes) changes.push({ kind: 'drop', mailbox })
  return changes
}

function addPut(changes: MessageChange[], mailbox: MailboxId, record: MessageRecord, flagged: boolean): void {
  const last = changes[changes.length - 1]
  const goesOn = last?.mailbox === mailbox
  const { uid, flags, modseq } = record
  if (!flagged) {
    if (goesOn && last.kind === 'put') (last.records as MessageRecord[]).push(record)
    else changes.push({ kind: 'put', mailbox, records: [record] })
  } else if (
    goesOn &&
    last.kind === 'flags' &&
    sameFlags(last.flags, flags) &&
    (last.uids[last.uids.length - 1] as number) < uid
  ) {
    ;(last.uids as number[]).push(uid)
  } else changes.push({ kind: 'flags', mailbox, uids: [uid], flags, modseq })
}

/** @throws SkeinError `record-damaged` */
export function decodeDelta(bytes: Uint8Array): MessageChange[] {
  const reader = new RecordReader(bytes)
  if (reader.u8() !== VERSION) throw damagedRecord(`message changes, version ${bytes[0]}`)
  const changes: MessageChange[] = []
  try {
    while (!reader.atEnd) changes.push(readChange(reader))
  } catch (cause) {
    throw damagedRecord('message changes', cause)
  }
  return changes
}

function readChange(reader: RecordReader): MessageChange {
  const code = reader.u8()
  const mailbox = reader.shortText()
  switch (code) {
    case codes.put: {
      const records: MessageRecord[] = []
      for (let count = reader.u32(); count > 0; count--) records.push(readMessage(reader))
      return { kind: 'put', mailbox, records }
    }
    case codes.flags: {
      const modseq = reader.f64()
      const flags = readFlags(reader)
      return { kind: 'flags', mailbox, uids: reader.numbers(), flags, modseq }
    }
    case codes.delete:
      return { kind: 'delete', mailbox, uids: reader.numbers() }
    case codes.drop:
      return { kind: 'drop', mailbox }
    default:
      throw new RangeError(`message change ${code}`)
  }
}

/* ------------------------------------------------------------------ reading */

/** Called instead of throwing where a record can't be read: its messages are left out. */
export type OnDamage = (key: string, error: unknown) => void

/** All deltas of an account, in order. */
export async function readDeltas(
  reader: DatabaseReader,
  account: string,
  onDamage?: OnDamage,
): Promise<{ seq: number; changes: MessageChange[] }[]> {
  const prefix = messageKeys.deltas(account)
  const deltas: { seq: number; changes: MessageChange[] }[] = []
  for await (const [key, value] of reader.prefix(prefix)) {
    attempt(key, onDamage, () => {
      deltas.push({ seq: Number.parseInt(key.slice(prefix.length), 16), changes: decodeDelta(value) })
    })
  }
  return deltas
}

function attempt(key: string, onDamage: OnDamage | undefined, read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!onDamage) throw error
    onDamage(key, error)
  }
}

/** Messages of one mailbox in ascending UID, as one moment has them where `reader` is of one moment. */
export async function readMailboxMessages(
  reader: DatabaseReader,
  account: string,
  mailbox: MailboxId,
  deltas: readonly { changes: readonly MessageChange[] }[],
  onDamage?: OnDamage,
): Promise<MessageRecord[]> {
  const records: MessageRecord[] = []
  const prefix = messageKeys.pages(account, mailbox)
  for await (const [key, value] of reader.prefix(prefix)) attempt(key, onDamage, () => decodePage(value, records))
  return withChanges(records, mailbox, deltas)
}

/** Mailboxes that have any message records, those that the account no longer knows too. */
export async function mailboxesWithMessages(
  reader: DatabaseReader,
  account: string,
  deltas: readonly { changes: readonly MessageChange[] }[],
): Promise<Set<MailboxId>> {
  const mailboxes = new Set<MailboxId>()
  const prefix = messageKeys.allPages(account)
  for (let from = prefix; ;) {
    let found: string | undefined
    for await (const key of reader.keysOf({ gte: from, lt: afterPrefix(prefix), limit: 1 })) found = key
    const mailbox = found?.slice(prefix.length).split('!')[0]
    if (mailbox === undefined) break
    mailboxes.add(mailbox)
    from = afterPrefix(messageKeys.pages(account, mailbox))
  }
  for (const { changes } of deltas) {
    for (const change of changes) {
      if (change.kind === 'drop') mailboxes.delete(change.mailbox)
      else if (change.kind === 'put') mailboxes.add(change.mailbox)
    }
  }
  return mailboxes
}

/** Every message of an account, mailbox by mailbox. */
export async function* readAccountMessages(
  reader: DatabaseReader,
  account: string,
): AsyncIterable<{ mailbox: MailboxId; records: MessageRecord[] }> {
  const deltas = await readDeltas(reader, account)
  for (const mailbox of await mailboxesWithMessages(reader, account, deltas)) {
    yield { mailbox, records: await readMailboxMessages(reader, account, mailbox, deltas) }
  }
}

/** The messages after the deltas. @param records ascending; may be changed */
export function withChanges(
  records: MessageRecord[],
  mailbox: MailboxId,
  deltas: readonly { changes: readonly MessageChange[] }[],
): MessageRecord[] {
  let touched: Map<number, MessageRecord | null> | undefined
  for (const { changes } of deltas) {
    for (const change of changes) {
      if (change.mailbox !== mailbox) continue
      if (change.kind === 'drop') {
        records.length = 0
        touched = undefined
        continue
      }
      touched ??= new Map()
      if (change.kind === 'put') for (const record of change.records) touched.set(record.uid, record)
      else if (change.kind === 'delete') for (const uid of change.uids) touched.set(uid, null)
      else setFlags(records, touched, change)
    }
  }
  return touched ? merged(records, touched) : records
}

function setFlags(
  records: readonly MessageRecord[],
  touched: Map<number, MessageRecord | null>,
  change: Extract<MessageChange, { kind: 'flags' }>,
): void {
  let place = 0
  for (const uid of change.uids) {
    let record = touched.get(uid)
    if (record === undefined) {
      place = placeFrom(records, uid, place)
      record = records[place]?.uid === uid ? records[place] : null
    }
    if (record) touched.set(uid, withFlags(record, change.flags, change.modseq))
  }
}

/** The first place from `from` on whose UID is not below `uid`. */
function placeFrom(records: readonly MessageRecord[], uid: number, from: number): number {
  // Runs of neighbours are the rule.
  if (records[from]?.uid === uid) return from
  if (records[from + 1]?.uid === uid) return from + 1
  let low = from
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((records[middle] as MessageRecord).uid < uid) low = middle + 1
    else high = middle
  }
  return low
}

function merged(
  records: readonly MessageRecord[],
  touched: ReadonlyMap<number, MessageRecord | null>,
): MessageRecord[] {
  const uids = [...touched.keys()].sort((a, b) => a - b)
  const result: MessageRecord[] = []
  let at = 0
  for (const uid of uids) {
    while (at < records.length && (records[at] as MessageRecord).uid < uid) result.push(records[at++] as MessageRecord)
    if (records[at]?.uid === uid) at += 1
    const record = touched.get(uid)
    if (record) result.push(record)
  }
  while (at < records.length) result.push(records[at++] as MessageRecord)
  return result
}
