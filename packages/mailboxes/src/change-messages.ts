// What is done to messages that are there: flags, copies, moves, expunges. Each is one atomic commit.
import type { Account } from './account.ts'
import { failures } from './failures.ts'
import { canonicalFlags, changedFlags, Keywords, orderedFlags, seen } from './flags.ts'
import { mailboxMemoryLimits } from './limits.ts'
import { findByUid } from './message-list.ts'
import type { CommitDraft } from './commit-draft.ts'
import type { CopyResult, FlagChange, MailboxId, MailboxRecord, MessageRecord, StoreResult } from './ports.ts'
import { asRead, flagsRead } from './readers.ts'
import { rightForFlag, rightsOf, type Rights } from './rights.ts'
import { demand, type Visitor } from './visitor.ts'

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
  options: { unchangedSince?: number; origin?: unknown; visitor?: Visitor | undefined },
): Promise<StoreResult> {
  const { visitor } = options
  if (visitor) return storeAs(account, visitor, mailboxId, uids, change, options)
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

/** By somebody else than the owner: that one's own \Seen, and of the other flags those that the rights allow. */
function storeAs(
  account: Account,
  visitor: Visitor,
  mailboxId: MailboxId,
  uids: readonly number[],
  change: FlagChange,
  options: { unchangedSince?: number; origin?: unknown },
): Promise<StoreResult> {
  const { user } = visitor
  return account.changeMessages(mailboxId, options.origin, (draft, list) => {
    const mailbox = draft.mailbox(mailboxId)
    demand(mailbox, visitor, 'r')
    const rights = visitor.rights(mailbox)
    const may = (flag: string) => rights.includes(rightForFlag(flag))
    // RFC 4314 §4: what is not allowed is left out, unless nothing would be left.
    const some = change.mode === 'replace' ? /[swt]/.test(rights) : change.flags.some(may)
    if (!some && (change.mode === 'replace' || change.flags.length > 0)) throw failures.notPermitted()
    const keywords = keywordsOf(mailbox, list)
    const flags = canonicalFlags(change.flags.filter(may), keywords, change.mode !== 'remove')
    const result: StoreResult = { changed: [], modified: [] }
    const newlySeen: Record<'true' | 'false', number[]> = { true: [], false: [] }
    for (const record of present(account, mailboxId, list, uids)) {
      const read = asRead(record, account.marks.planned(mailboxId, user, record.uid))
      if (options.unchangedSince !== undefined && read.modseq > options.unchangedSince) {
        result.modified.push(record.uid)
        continue
      }
      const wanted = changedFlags(read.flags, change.mode, flags)
      const kept = wanted === read.flags ? wanted : mixedFlags(read.flags, wanted, may)
      if (kept === read.flags) continue
      const isSeen = kept.includes(seen)
      if (isSeen !== read.flags.includes(seen)) newlySeen[`${isSeen}`].push(record.uid)
      const own = flagsRead(kept, record.flags.includes(seen))
      const after = changedFlags(record.flags, 'replace', own)
      const base = after === record.flags ? record : draft.setFlags(mailbox, record, after)
      result.changed.push(asRead(base, { uid: record.uid, seen: isSeen, modseq: draft.modseq }))
    }
    draft.setSeen(mailboxId, user, newlySeen.true, true)
    draft.setSeen(mailboxId, user, newlySeen.false, false)
    if (keywords.grown) mailbox.keywords = keywords.names
    return result
  })
}

/** Of what may be changed as wanted, of the rest as before. */
function mixedFlags(
  before: readonly string[],
  wanted: readonly string[],
  may: (flag: string) => boolean,
): readonly string[] {
  const kept = [...before.filter((flag) => !may(flag)), ...wanted.filter(may)]
  return changedFlags(before, 'replace', orderedFlags(kept))
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
  from: MailboxId,
  visitor?: Visitor,
): CopyResult {
  const keywords = new Keywords(to.keywords)
  const pairs = records.map((record) => {
    const kept = visitor ? keptByVisitor(record.flags, visitor.rights(to)) : record.flags
    // By name: a store's records need not hold what they give.
    const { internalDateMs, size, blob, emailId, threadId } = record
    const flags = canonicalFlags(kept, keywords)
    const copy = draft.add(to, { flags, internalDateMs, size, blob, emailId, threadId, savedDateMs: draft.atMs })
    carrySeen(draft, from, record.uid, to, copy.uid)
    noteCopy(account, record.emailId)
    return { from: record.uid, to: copy.uid }
  })
  if (keywords.grown) to.keywords = keywords.names
  return { uidValidity: to.uidValidity, pairs }
}

/** The owner's \Seen goes along with the message, whoever copies it. */
function keptByVisitor(flags: readonly string[], rights: Rights): readonly string[] {
  return flags.filter((flag) => flag === seen || rights.includes(rightForFlag(flag)))
}

/** Whoever has seen the message has seen its copy, where they may keep that. */
function carrySeen(draft: CommitDraft, from: MailboxId, uid: number, to: MailboxRecord, copyUid: number): void {
  for (const user of draft.seenBy(from, uid)) {
    const rights = rightsOf(to.acl, user)
    if (rights.includes('l') && rights.includes('s')) draft.setSeen(to.id, user, [copyUid], true)
  }
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
  visitor?: Visitor,
): Promise<CopyResult> {
  return account.changeMessages(from, origin, (draft, list) => {
    const source = draft.mailbox(from)
    const target = draft.mailbox(to)
    if (visitor) {
      demand(source, visitor, 'r')
      demand(target, visitor, 'i')
    }
    const records = present(account, from, list, uids)
    draft.checkQuota(
      records.reduce((sum, record) => sum + record.size, 0),
      records.length,
    )
    return addCopies(draft, account, records, target, from, visitor)
  })
}

export function move(
  account: Account,
  from: MailboxId,
  uids: readonly number[],
  to: MailboxId,
  origin: unknown,
  visitor?: Visitor,
): Promise<CopyResult> {
  return account.changeMessages(from, origin, (draft, list) => {
    const source = draft.mailbox(from)
    const target = draft.mailbox(to)
    if (visitor) {
      // RFC 6851 §4.3, RFC 4314 §4: a copy, \Deleted and an expunge.
      demand(source, visitor, 'rte')
      demand(target, visitor, 'i')
    }
    return moveRecords(draft, account, present(account, from, list, uids), source, target, visitor)
  })
}

export function moveRecords(
  draft: CommitDraft,
  account: Account,
  records: readonly MessageRecord[],
  source: MailboxRecord,
  target: MailboxRecord,
  visitor?: Visitor,
): CopyResult {
  const result = addCopies(draft, account, records, target, source.id, visitor)
  for (const record of records) draft.expunge(source, record)
  return result
}

export async function expunge(
  account: Account,
  mailboxId: MailboxId,
  uids: readonly number[],
  origin: unknown,
  visitor?: Visitor,
): Promise<number[]> {
  const records = await account.changeMessages(mailboxId, origin, (draft, list) => {
    const mailbox = draft.mailbox(mailboxId)
    if (visitor) demand(mailbox, visitor, 'e')
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
