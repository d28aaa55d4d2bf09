// One committed change as a reader of somebody else's mailboxes may know of it: nothing of mailboxes that the reader may
// not see or read, the reader's own \Seen in place of the owner's; a mailbox that may no longer be read is as deleted.
import type { MailboxTable } from './mailbox-table.ts'
import type { JournalEntry, JournalOp, MailboxId, MailboxRecord, ReaderRecord } from './ports.ts'
import { type ReaderTable, type SeenMarks, asRead, flagsRead } from './readers.ts'
import { rightsOf } from './rights.ts'

/** Of an account, after the change. */
export interface SharedGround {
  readonly table: MailboxTable
  readonly readers: ReaderTable
  readonly marks: SeenMarks
  /** Of a message whose list is in memory. */
  flagsOf(mailbox: MailboxId, uid: number): readonly string[] | undefined
}

/** The mailbox as a reader sees it. Its special use is the owner's: another one's client must not take it for its own. */
export function mailboxRead(record: MailboxRecord, reader: ReaderRecord | undefined): MailboxRecord {
  return {
    ...record,
    specialUse: null,
    subscribed: reader?.subscribed ?? false,
    unseen: record.messages - (reader?.seen ?? 0),
    highestModseq: Math.max(record.highestModseq, reader?.highestModseq ?? 0),
  }
}

export function translatedEntry(ground: SharedGround, entry: JournalEntry, user: string): JournalEntry {
  return { ...entry, ops: entry.ops.flatMap((op) => translated(ground, op, user)) }
}

function translated(ground: SharedGround, op: JournalOp, user: string): JournalOp[] {
  const { marks } = ground
  switch (op.op) {
    case 'quota':
    case 'subscription':
      return []
    // The name is nobody's business who could not see it.
    case 'mailbox-delete':
      return [{ ...op, name: '' }]
    case 'mailbox':
      return [translatedMailbox(ground, op, user)]
    case 'annotation': {
      const { mailbox } = op
      return mailbox !== null && mayDo(ground, mailbox, user, 'l') && (op.user ?? user) === user ? [op] : []
    }
    case 'reader':
      return op.user === user ? [op] : []
    case 'seen':
      return op.user === user ? translatedSeen(ground, op) : []
  }
  if (!mayDo(ground, op.mailbox, user, 'r')) return []
  if (op.op === 'expunge') return [op]
  if (op.op === 'add') {
    const message = asRead(op.message, marks.visible(op.mailbox, user, op.message.uid))
    return [message === op.message ? op : { ...op, message }]
  }
  return [{ ...op, flags: flagsRead(op.flags, marks.visible(op.mailbox, user, op.uid)?.seen ?? false) }]
}

function translatedMailbox(
  { table, readers }: SharedGround,
  op: Extract<JournalOp, { op: 'mailbox' }>,
  user: string,
): JournalOp {
  const { id, acl } = op.mailbox
  const rights = rightsOf(acl, user)
  if (!rights.includes('l') || !rights.includes('r')) return { op: 'mailbox-delete', mailbox: id, name: '' }
  return { op: 'mailbox', mailbox: mailboxRead(table.get(id) ?? op.mailbox, readers.get(id, user)) }
}

function translatedSeen(ground: SharedGround, op: Extract<JournalOp, { op: 'seen' }>): JournalOp[] {
  const { mailbox, seen } = op
  return op.uids.map((uid) => ({
    op: 'flags',
    mailbox,
    uid,
    flags: flagsRead(ground.flagsOf(mailbox, uid) ?? [], seen),
  }))
}

function mayDo({ table }: SharedGround, mailbox: MailboxId, user: string, right: string): boolean {
  return rightsOf(table.get(mailbox)?.acl, user).includes(right)
}
