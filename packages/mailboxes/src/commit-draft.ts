// One commit in the making: every change goes through it, so that counts, UIDs, quota and journal always agree.
// Built without waiting, on top of what was planned before; nothing has happened until it is handed in.
import { failures } from './failures.ts'
import { seen } from './flags.ts'
import { mailboxMemoryLimits } from './limits.ts'
import type { MailboxTable } from './mailbox-table.ts'
import { withFlags } from './message-list.ts'
import { MODSEQ_EPOCH } from './ports.ts'
import type { AccountMailboxState, JournalOp, MailboxCommit, MailboxId, MailboxRecord } from './ports.ts'
import type { MessageInfo, MessageRecord, SpecialUse } from './ports.ts'

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
  #quotaSet = false
  readonly putInfos: MessageInfo[] = []
  readonly deleteInfos: string[] = []
  readonly putThreads: { key: string; threadId: string }[] = []

  constructor(planned: AccountMailboxState, table: MailboxTable, atMs: number) {
    this.state = { ...planned, seq: planned.seq + 1 }
    this.modseq = this.state.epoch * MODSEQ_EPOCH + this.state.seq
    this.atMs = atMs
    this.#table = table
  }

  /** Nothing would change. */
  get isEmpty(): boolean {
    return this.#ops.length === 0 && !this.#quotaSet
  }

  /** @param quotaBytes 0 means no limit */
  setQuota(quotaBytes: number): void {
    this.state.quotaBytes = quotaBytes
    this.#quotaSet = true
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

  createMailbox(id: MailboxId, name: string, specialUse: SpecialUse | null, subscribed = false): MailboxRecord {
    const record: MailboxRecord = {
      id,
      name,
      uidValidity: this.state.nextUidValidity++,
      uidNext: 1,
      highestModseq: this.modseq,
      specialUse,
      subscribed,
      messages: 0,
      unseen: 0,
      bytes: 0,
    }
    this.#mailboxes.set(id, record)
    this.noteMailbox(record)
    return record
  }

  /** Name, use or subscription of a mailbox got from `mailbox` have changed. */
  noteMailbox(record: MailboxRecord): void {
    this.#ops.push({ op: 'mailbox', mailbox: { ...record } })
  }

  deleteMailbox(record: MailboxRecord): void {
    this.#mailboxes.set(record.id, null)
    this.state.usedBytes -= record.bytes
    this.#ops.push({ op: 'mailbox-delete', mailbox: record.id, name: record.name })
  }

  /** @throws SkeinError `over-quota` */
  checkQuota(moreBytes: number): void {
    const { quotaBytes, usedBytes } = this.state
    if (quotaBytes > 0 && usedBytes + moreBytes > quotaBytes) throw failures.overQuota()
  }

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
    mailbox.highestModseq = this.modseq
    mailbox.messages -= 1
    if (!record.flags.includes(seen)) mailbox.unseen -= 1
    mailbox.bytes -= record.size
    this.state.usedBytes -= record.size
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
    return {
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
  }
}
