// Records that the suites write.
import type { JournalEntry, MailboxCommit, MailboxRecord, MessageRecord } from '../ports.ts'

export const account = 'f'.repeat(32)
export const inbox = '0123456789abcdef'
export const other = 'fedcba9876543210'

export function sampleMessage(uid: number, changes: Partial<MessageRecord> = {}): MessageRecord {
  return {
    uid,
    modseq: 2 ** 36 + uid,
    flags: [],
    internalDateMs: 1_767_225_600_123,
    size: 10_240,
    blob: { segment: 3, offset: uid * 10_300, length: 10_240 },
    emailId: `01KE0000000000000000${String(uid).padStart(6, '0')}`,
    threadId: `01KE0000000000000000${String(uid).padStart(6, '0')}`,
    savedDateMs: 1_767_225_600_123,
    ...changes,
  }
}

export function sampleMailbox(id: string, changes: Partial<MailboxRecord> = {}): MailboxRecord {
  return {
    id,
    name: 'INBOX',
    uidValidity: 1_767_225_600,
    uidNext: 1,
    highestModseq: 0,
    specialUse: null,
    subscribed: true,
    messages: 0,
    unseen: 0,
    bytes: 0,
    ...changes,
  }
}

export function sampleCommit(seq: number, changes: Partial<MailboxCommit> = {}, accountId = account): MailboxCommit {
  const entry: JournalEntry = { seq, epoch: 1, modseq: 2 ** 36 + seq, atMs: 1_767_225_600_000 + seq, ops: [] }
  const state = { accountId, epoch: 1, seq, nextUidValidity: 1_767_225_700, quotaBytes: 2 ** 40, usedBytes: seq }
  return {
    state,
    entry,
    putMailboxes: [],
    deleteMailboxes: [],
    putMessages: [],
    deleteMessages: [],
    putInfos: [],
    deleteInfos: [],
    deliveryIds: [],
    ...changes,
  }
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
