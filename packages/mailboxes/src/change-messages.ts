// What is done to messages that are there: flags, copies, moves, expunges. Each is one atomic commit.
import type { Account } from './account.ts'
import { canonicalFlags, changedFlags, Keywords } from './flags.ts'
import { mailboxMemoryLimits } from './limits.ts'
import { findByUid } from './message-list.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { CopyResult, FlagChange, MailboxId, MailboxRecord, MessageRecord, StoreResult } from './ports.ts'

/** Those of `uids` that are there and stay there, ascending, as the next commit finds them. */
function present(
  account: Account,
  mailbox: MailboxId,
  list: readonly MessageRecord[],
  uids: readonly number[],
): MessageRecord[] {
  const records: MessageRecord[] = []
  let last = 0
  for (const uid of ascending(uids)) {
    if (uid === last) continue
    last = uid
    const visible = findByUid(list, uid)
    const record = visible && account.planned(mailbox, visible)
    if (record) records.push(record)
  }
  return records
}

function ascending(uids: readonly number[]): readonly number[] {
  for (let at = 1; at < uids.length; at++) {
    if ((uids[at] as number) < (uids[at - 1] as number)) return [...uids].sort((a, b) => a - b)
  }
  return uids
}

export function store(
  account: Account,
  mailboxId: MailboxId,
  uids: readonly number[],
  change: FlagChange,
  options: { unchangedSince?: number; origin?: unknown },
): Promise<StoreResult> {
  return account.changeMessages(mailboxId, options.origin, (draft, list) => {
    const mailbox = draft.mailbox(mailboxId)
    const keywords = keywordsOf(mailbox, list)
    const flags = canonicalFlags(change.flags, keywords, change.mode !== 'remove')
    const result: StoreResult = { changed: [], modified: [] }
    // Messages share their arrays of flags: each combination is worked out once.
    const outcomes = new Map<readonly string[], readonly string[]>()
    for (const record of present(account, mailboxId, list, uids)) {
      // RFC 7162 §3.1.3: messages changed by others since then are left alone.
      if (options.unchangedSince !== undefined && record.modseq > options.unchangedSince) {
        result.modified.push(record.uid)
        continue
      }
      let after = outcomes.get(record.flags)
      if (!after) outcomes.set(record.flags, (after = changedFlags(record.flags, change.mode, flags)))
      if (after !== record.flags) result.changed.push(draft.setFlags(mailbox, record, after))
    }
    if (keywords.grown) mailbox.keywords = keywords.names
    return result
  })
}

/** Where the limit is near, keywords that no message has any more make room. */
function keywordsOf(mailbox: MailboxRecord, list: readonly MessageRecord[]): Keywords {
  const known = mailbox.keywords ?? []
  if (known.length < keywordsTidyFrom) return new Keywords(known)
  const used = new Set<string>()
  for (const record of list) for (const flag of record.flags) used.add(flag)
  const kept = known.filter((name) => used.has(name))
  if (kept.length < known.length) mailbox.keywords = kept
  return new Keywords(kept)
}

const keywordsTidyFrom = 150

function addCopies(
  draft: CommitDraft,
  account: Account,
  records: readonly MessageRecord[],
  to: MailboxRecord,
): CopyResult {
  const keywords = new Keywords(to.keywords)
  const pairs = records.map((record) => {
    const flags = canonicalFlags(record.flags, keywords)
    const copy = draft.add(to, { ...record, flags, savedDateMs: draft.atMs })
    noteCopy(account, record.emailId)
    return { from: record.uid, to: copy.uid }
  })
  if (keywords.grown) to.keywords = keywords.names
  return { uidValidity: to.uidValidity, pairs }
}

function noteCopy(account: Account, emailId: string): void {
  account.recentCopies.add(emailId)
  if (account.recentCopies.size <= mailboxMemoryLimits.recentCopiesMax) return
  const [oldest] = account.recentCopies
  if (oldest !== undefined) account.recentCopies.delete(oldest)
}

export function copy(
  account: Account,
  from: MailboxId,
  uids: readonly number[],
  to: MailboxId,
  origin: unknown,
): Promise<CopyResult> {
  return account.changeMessages(from, origin, (draft, list) => {
    draft.mailbox(from)
    const target = draft.mailbox(to)
    const records = present(account, from, list, uids)
    draft.checkQuota(records.reduce((sum, record) => sum + record.size, 0))
    return addCopies(draft, account, records, target)
  })
}

export function move(
  account: Account,
  from: MailboxId,
  uids: readonly number[],
  to: MailboxId,
  origin: unknown,
): Promise<CopyResult> {
  return account.changeMessages(from, origin, (draft, list) => {
    const source = draft.mailbox(from)
    const target = draft.mailbox(to)
    return moveRecords(draft, account, present(account, from, list, uids), source, target)
  })
}

export function moveRecords(
  draft: CommitDraft,
  account: Account,
  records: readonly MessageRecord[],
  source: MailboxRecord,
  target: MailboxRecord,
): CopyResult {
  const result = addCopies(draft, account, records, target)
  for (const record of records) draft.expunge(source, record)
  return result
}

export async function expunge(
  account: Account,
  mailboxId: MailboxId,
  uids: readonly number[],
  origin: unknown,
): Promise<number[]> {
  const records = await account.changeMessages(mailboxId, origin, (draft, list) => {
    const mailbox = draft.mailbox(mailboxId)
    const gone = present(account, mailboxId, list, uids)
    for (const record of gone) draft.expunge(mailbox, record)
    draft.deleteInfos.push(...forgettable(account, gone))
    return gone
  })
  letGo(account, records)
  return records.map((record) => record.uid)
}

/**
 * Parsed indexes that go with the messages. One too many is no harm: it is made again when asked for. Of very many
 * messages they are left to the store's upkeep, so that no commit is larger than it must be.
 */
export function forgettable(account: Account, records: readonly MessageRecord[]): string[] {
  if (records.length > mailboxMemoryLimits.infosForgottenAtOnceMax) return []
  return records.map((record) => record.emailId).filter((emailId) => !account.recentCopies.has(emailId))
}

export function letGo(account: Account, records: readonly MessageRecord[]): void {
  for (const record of records) account.parts.log.release(record.blob)
}
