// One commit in the making: every change goes through it, so that counts, UIDs, quota and journal always agree.
// Built without waiting, on top of what was planned before; nothing has happened until it is handed in.
import { failures } from './failures.ts'
import { compareNames } from './mailbox-name.ts'
import { seen } from './flags.ts'
import { mailboxMemoryLimits } from './limits.ts'
import type { MailboxTable } from './mailbox-table.ts'
import { withFlags } from './message-list.ts'
import { MODSEQ_EPOCH, mailboxLimits } from './ports.ts'
import type { AccountMailboxState, AnnotationRecord, JournalOp, MailboxCommit, MailboxId } from './ports.ts'
import type { MailboxRecord, MessageInfo, MessageRecord, QuotaLimits } from './ports.ts'
import type { ReaderRecord, SeenMark, SpecialUse } from './ports.ts'
import type { ReaderTable } from './readers.ts'
import { granteesOf, type AclEntry } from './rights.ts'

/** What was planned before, on top of which a draft is made. */
export interface Planned {
  state: AccountMailboxState
  table: MailboxTable
  readers: ReaderTable
  /** Of a mailbox and reader whose marks are loaded. */
  markOf(mailbox: MailboxId, user: string, uid: number): SeenMark | undefined
}

export class CommitDraft {
  readonly modseq: number
  readonly atMs: number
  readonly state: AccountMailboxState
  readonly #table: MailboxTable
  /** Changed mailboxes, as they will be; null: deleted. */
  readonly #mailboxes = new Map<MailboxId, MailboxRecord | null>()
  readonly #ops: JournalOp[] = []
  readonly #putMessages: MailboxCommit['putMessages'] = []
  readonly #deleteMessages: MailboxCommit['deleteMessages'] = []
  readonly #deliveryIds: MailboxCommit['deliveryIds'] = []
  readonly #planned: Planned
  /** Changed readers by mailbox and user. */
  readonly #readers = new Map<string, { mailbox: MailboxId; reader: ReaderRecord }>()
  readonly #putSeen: NonNullable<MailboxCommit['putSeen']> = []
  readonly #deleteSeen: NonNullable<MailboxCommit['deleteSeen']> = []
  readonly #putAnnotations: AnnotationRecord[] = []
  readonly #deleteAnnotations: Omit<AnnotationRecord, 'value'>[] = []
  readonly #putShares: NonNullable<MailboxCommit['putShares']> = []
  readonly #deleteShares: NonNullable<MailboxCommit['deleteShares']> = []
  readonly putInfos: MessageInfo[] = []
  readonly deleteInfos: string[] = []
  readonly putThreads: { key: string; threadId: string }[] = []

  constructor(planned: Planned, atMs: number) {
    const { state, table } = planned
    this.#planned = planned
    this.state = { ...state, seq: state.seq + 1, usedMessages: state.usedMessages ?? messagesOf(table) }
    this.modseq = this.state.epoch * MODSEQ_EPOCH + this.state.seq
    this.atMs = atMs
    this.#table = table
  }

  /** Nothing would change. */
  get isEmpty(): boolean {
    return this.#ops.length === 0
  }

  setQuota(limits: Partial<QuotaLimits>): void {
    const { state } = this
    if (limits.bytes !== undefined) state.quotaBytes = limits.bytes
    if (limits.messages !== undefined) state.quotaMessages = limits.messages
    if (limits.mailboxes !== undefined) state.quotaMailboxes = limits.mailboxes
    const { quotaBytes, quotaMessages = 0, quotaMailboxes = 0 } = state
    this.#ops.push({ op: 'quota', limits: { bytes: quotaBytes, messages: quotaMessages, mailboxes: quotaMailboxes } })
  }

  /** A mailbox to be changed. @throws SkeinError `no-such-mailbox` */
  mailbox(id: MailboxId): MailboxRecord {
    const changed = this.#mailboxes.get(id)
    if (changed) return changed
    const record = changed === null ? undefined : this.#table.get(id)
    if (!record) throw failures.noSuchMailbox()
    const copy = { ...record }
    this.#mailboxes.set(id, copy)
    return copy
  }

  createMailbox(
    id: MailboxId,
    name: string,
    options: { specialUse?: SpecialUse | null; subscribed?: boolean; acl?: readonly AclEntry[] | undefined } = {},
  ): MailboxRecord {
    const { specialUse = null, subscribed = false, acl } = options
    const record: MailboxRecord = {
      id,
      name,
      uidValidity: this.state.nextUidValidity++,
      uidNext: 1,
      highestModseq: this.modseq,
      specialUse,
      subscribed: this.#takeSubscription(name) || subscribed,
      messages: 0,
      unseen: 0,
      bytes: 0,
      historyFrom: 0,
    }
    if (acl !== undefined && acl.length > 0) record.acl = acl
    for (const grantee of granteesOf(acl)) this.#putShares.push({ grantee, mailbox: id })
    this.#mailboxes.set(id, record)
    this.noteMailbox(record)
    return record
  }

  /** Name, use, subscription or rights of a mailbox got from `mailbox` have changed. */
  noteMailbox(record: MailboxRecord): void {
    this.#ops.push({ op: 'mailbox', mailbox: { ...record } })
  }

  /** A name without a mailbox. @throws SkeinError `too-many-subscriptions` */
  subscribeName(name: string, subscribed: boolean): void {
    const { subscribedNames = [] } = this.state
    if (subscribedNames.includes(name) === subscribed) return
    if (subscribed && !this.#hasRoomForSubscription) throw failures.tooManySubscriptions()
    const names = subscribedNames.filter((it) => it !== name)
    if (subscribed) names.push(name)
    if (names.length > 0) this.state.subscribedNames = names.sort(compareNames)
    else delete this.state.subscribedNames
    this.#ops.push({ op: 'subscription', name, subscribed })
  }

  get #hasRoomForSubscription(): boolean {
    return (this.state.subscribedNames ?? []).length < mailboxLimits.subscribedNamesMax
  }

  /** The name gets a mailbox: a subscription is the mailbox's from now on. @returns whether there was one */
  #takeSubscription(name: string): boolean {
    if (!(this.state.subscribedNames ?? []).includes(name)) return false
    this.subscribeName(name, false)
    return true
  }

  renameMailbox(record: MailboxRecord, name: string): void {
    record.name = name
    if (this.#takeSubscription(name)) record.subscribed = true
    this.noteMailbox(record)
  }

  deleteMailbox(record: MailboxRecord): void {
    this.#mailboxes.set(record.id, null)
    this.state.usedBytes -= record.bytes
    this.#countMessages(-record.messages)
    for (const grantee of granteesOf(record.acl)) this.#deleteShares.push({ grantee, mailbox: record.id })
    this.#ops.push({ op: 'mailbox-delete', mailbox: record.id, name: record.name })
    // RFC 9051 §6.3.7: the subscription does not go with the mailbox. A delete is not refused for it.
    if (record.subscribed && this.#hasRoomForSubscription) this.subscribeName(record.name, true)
  }

  /** @throws SkeinError `over-quota` */
  checkQuota(moreBytes: number, moreMessages: number): void {
    const { quotaBytes, usedBytes, quotaMessages = 0, usedMessages = 0 } = this.state
    if (quotaBytes > 0 && usedBytes + moreBytes > quotaBytes) throw failures.overQuota('bytes')
    if (quotaMessages > 0 && usedMessages + moreMessages > quotaMessages) throw failures.overQuota('messages')
  }

  #countMessages(more: number): void {
    this.state.usedMessages = (this.state.usedMessages ?? 0) + more
  }

  /* ------------------------------------------------------------------ who else reads it */

  setAcl(mailbox: MailboxRecord, acl: readonly AclEntry[]): void {
    const before = granteesOf(mailbox.acl)
    const after = granteesOf(acl)
    for (const grantee of after) if (!before.has(grantee)) this.#putShares.push({ grantee, mailbox: mailbox.id })
    for (const grantee of before) if (!after.has(grantee)) this.#deleteShares.push({ grantee, mailbox: mailbox.id })
    if (acl.length > 0) mailbox.acl = acl
    else delete mailbox.acl
    this.noteMailbox(mailbox)
  }

  #reader(mailbox: MailboxId, user: string): ReaderRecord {
    const key = `${mailbox} ${user}`
    const changed = this.#readers.get(key)
    if (changed) return changed.reader
    const known = this.#planned.readers.get(mailbox, user)
    const reader = known ? { ...known } : { user, seen: 0, highestModseq: 0, subscribed: false }
    this.#readers.set(key, { mailbox, reader })
    return reader
  }

  subscribeReader(mailbox: MailboxId, user: string, subscribed: boolean): void {
    if ((this.#planned.readers.get(mailbox, user)?.subscribed ?? false) === subscribed) return
    this.#reader(mailbox, user).subscribed = subscribed
    this.#ops.push({ op: 'reader', mailbox, user, subscribed })
  }

  /** A reader's own \Seen. Those that have it so already are left alone. @returns UIDs changed */
  setSeen(mailbox: MailboxId, user: string, uids: readonly number[], isSeen: boolean): number[] {
    const changed = uids.filter((uid) => (this.#planned.markOf(mailbox, user, uid)?.seen ?? false) !== isSeen)
    if (changed.length === 0) return changed
    const reader = this.#reader(mailbox, user)
    reader.seen += isSeen ? changed.length : -changed.length
    reader.highestModseq = this.modseq
    for (const uid of changed) this.#putSeen.push({ mailbox, user, mark: { uid, seen: isSeen, modseq: this.modseq } })
    this.#ops.push({ op: 'seen', mailbox, user, uids: changed, seen: isSeen })
    return changed
  }

  /** Who besides the owner has seen the message. */
  seenBy(mailbox: MailboxId, uid: number): string[] {
    const users: string[] = []
    for (const { user } of this.#planned.readers.of(mailbox)) {
      if (this.#planned.markOf(mailbox, user, uid)?.seen === true) users.push(user)
    }
    return users
  }

  #forgetMarks(mailbox: MailboxId, uid: number): void {
    for (const { user } of this.#planned.readers.of(mailbox)) {
      const mark = this.#planned.markOf(mailbox, user, uid)
      if (mark === undefined) continue
      this.#deleteSeen.push({ mailbox, user, uid })
      if (mark.seen) this.#reader(mailbox, user).seen -= 1
    }
  }

  setAnnotation(record: Omit<AnnotationRecord, 'value'>, value: string | null): void {
    const { mailbox, user, name } = record
    if (value === null) this.#deleteAnnotations.push({ mailbox, user, name })
    else this.#putAnnotations.push({ mailbox, user, name, value })
    this.#ops.push({ op: 'annotation', mailbox, user, name, value })
  }

  /* ------------------------------------------------------------------ messages */

  /** The next UID of the mailbox is given to it. */
  add(mailbox: MailboxRecord, message: Omit<MessageRecord, 'uid' | 'modseq'>, deliveryId?: string): MessageRecord {
    if (mailbox.uidNext > mailboxMemoryLimits.uidMax) throw failures.mailboxFull()
    const record: MessageRecord = {
      uid: mailbox.uidNext++,
      modseq: this.modseq,
      flags: message.flags,
      internalDateMs: message.internalDateMs,
      size: message.size,
      blob: message.blob,
      emailId: message.emailId,
      threadId: message.threadId,
      savedDateMs: message.savedDateMs,
    }
    mailbox.highestModseq = this.modseq
    mailbox.messages += 1
    if (!record.flags.includes(seen)) mailbox.unseen += 1
    mailbox.bytes += record.size
    this.state.usedBytes += record.size
    this.#countMessages(1)
    this.#putMessages.push({ mailbox: mailbox.id, record })
    if (deliveryId === undefined) this.#ops.push({ op: 'add', mailbox: mailbox.id, message: record })
    else {
      this.#ops.push({ op: 'add', mailbox: mailbox.id, message: record, deliveryId })
      this.#deliveryIds.push({ id: deliveryId, atMs: this.atMs })
    }
    return record
  }

  setFlags(mailbox: MailboxRecord, before: MessageRecord, flags: readonly string[]): MessageRecord {
    const record = withFlags(before, flags, this.modseq)
    mailbox.highestModseq = this.modseq
    mailbox.unseen += Number(before.flags.includes(seen)) - Number(flags.includes(seen))
    this.#putMessages.push({ mailbox: mailbox.id, record })
    this.#ops.push({ op: 'flags', mailbox: mailbox.id, uid: record.uid, flags })
    return record
  }

  expunge(mailbox: MailboxRecord, record: MessageRecord): void {
    // Of what went before this memory began, nothing is known.
    mailbox.historyFrom ??= mailbox.highestModseq
    mailbox.highestModseq = this.modseq
    mailbox.messages -= 1
    if (!record.flags.includes(seen)) mailbox.unseen -= 1
    mailbox.bytes -= record.size
    this.state.usedBytes -= record.size
    this.#countMessages(-1)
    this.#forgetMarks(mailbox.id, record.uid)
    this.#deleteMessages.push({ mailbox: mailbox.id, uid: record.uid })
    this.#ops.push({ op: 'expunge', mailbox: mailbox.id, uid: record.uid, emailId: record.emailId })
  }

  finish(): MailboxCommit {
    const putMailboxes: MailboxRecord[] = []
    const deleteMailboxes: MailboxId[] = []
    for (const [id, record] of this.#mailboxes) {
      if (record) putMailboxes.push(record)
      else deleteMailboxes.push(id)
    }
    const commit: MailboxCommit = {
      state: this.state,
      entry: { seq: this.state.seq, epoch: this.state.epoch, modseq: this.modseq, atMs: this.atMs, ops: this.#ops },
      putMailboxes,
      deleteMailboxes,
      putMessages: this.#putMessages,
      deleteMessages: this.#deleteMessages,
      putInfos: this.putInfos,
      deleteInfos: this.deleteInfos,
      deliveryIds: this.#deliveryIds,
      putThreads: this.putThreads,
    }
    if (this.#readers.size > 0) {
      commit.putReaders = [...this.#readers.values()].filter(({ mailbox }) => this.#mailboxes.get(mailbox) !== null)
    }
    if (this.#putSeen.length > 0) commit.putSeen = this.#putSeen
    if (this.#deleteSeen.length > 0) commit.deleteSeen = this.#deleteSeen
    if (this.#putAnnotations.length > 0) commit.putAnnotations = this.#putAnnotations
    if (this.#deleteAnnotations.length > 0) commit.deleteAnnotations = this.#deleteAnnotations
    if (this.#putShares.length > 0) commit.putShares = this.#putShares
    if (this.#deleteShares.length > 0) commit.deleteShares = this.#deleteShares
    return commit
  }
}

function messagesOf(table: MailboxTable): number {
  let messages = 0
  for (const record of table.sorted()) messages += record.messages
  return messages
}
