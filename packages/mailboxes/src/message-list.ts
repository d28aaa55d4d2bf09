// A mailbox's messages in memory: one array in ascending UID, changed in place by journal entries.
// Applying an entry twice does no harm, which lets a list be loaded while changes go on.
import type { JournalEntry, JournalOp, MailboxId, MessageRecord } from './ports.ts'

/** Place of `uid`, or of the first one above it as -1 - place. */
export function placeOf(list: readonly MessageRecord[], uid: number): number {
  let low = 0
  let high = list.length - 1
  if (high >= 0 && (list[high] as MessageRecord).uid < uid) return -1 - list.length
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = (list[middle] as MessageRecord).uid
    if (found === uid) return middle
    if (found < uid) low = middle + 1
    else high = middle - 1
  }
  return -1 - low
}

export function findByUid(list: readonly MessageRecord[], uid: number): MessageRecord | undefined {
  const place = placeOf(list, uid)
  return place >= 0 ? list[place] : undefined
}

/** Written out, so that all records keep one hidden shape. */
export function withFlags(record: MessageRecord, flags: readonly string[], modseq: number): MessageRecord {
  return {
    uid: record.uid,
    modseq,
    flags,
    internalDateMs: record.internalDateMs,
    size: record.size,
    blob: record.blob,
    emailId: record.emailId,
    threadId: record.threadId,
    savedDateMs: record.savedDateMs,
  }
}

/** Makes the entry's changes of `mailbox` in `list`. */
export function applyEntry(list: MessageRecord[], mailbox: MailboxId, entry: JournalEntry): void {
  let gone: Set<number> | undefined
  for (const op of entry.ops) {
    if (op.op === 'expunge') {
      if (op.mailbox === mailbox) (gone ??= new Set()).add(op.uid)
    } else if ((op.op === 'add' || op.op === 'flags') && op.mailbox === mailbox) applyOp(list, op, entry.modseq)
  }
  if (gone) removeAll(list, gone)
}

function applyOp(list: MessageRecord[], op: Extract<JournalOp, { op: 'add' | 'flags' }>, modseq: number): void {
  const place = placeOf(list, op.op === 'add' ? op.message.uid : op.uid)
  if (op.op === 'flags') {
    const record = list[place]
    if (place >= 0 && record) list[place] = withFlags(record, op.flags, modseq)
  } else if (place >= 0) list[place] = op.message
  else if (-1 - place === list.length) list.push(op.message)
  else list.splice(-1 - place, 0, op.message)
}

function removeAll(list: MessageRecord[], gone: ReadonlySet<number>): void {
  if (gone.size === 1) {
    const [uid] = gone
    const place = placeOf(list, uid as number)
    if (place >= 0) list.splice(place, 1)
    return
  }
  let kept = 0
  for (const record of list) if (!gone.has(record.uid)) list[kept++] = record
  list.length = kept
}
