// What one session or delivery holds of an account: the face to the front doors. All handles of an account share it.
import type { Account } from './account.ts'
import { append, indexOf, replace } from './append.ts'
import * as mailboxes from './change-mailboxes.ts'
import * as messages from './change-messages.ts'
import * as sharing from './change-sharing.ts'
import { failures } from './failures.ts'
import { canonicalName } from './mailbox-name.ts'
import { allRights, type AclChange, type AclEntry, type Rights } from './rights.ts'
import { vanishedSince } from './vanished.ts'
import type { Visitor } from './visitor.ts'
import type { AccountChange, AccountMailboxState, AccountMailboxes, Appended, Annotation } from './ports.ts'
import type { AnnotationChange, CopyResult, QuotaLimits, FlagChange, MailboxId, MailboxRecord } from './ports.ts'
import type { MessageInfo, MessageRecord, NewMessage, SpecialUse, StoreResult } from './ports.ts'

type Origin = { origin?: unknown }

export class AccountHandle implements AccountMailboxes {
  readonly accountId: string
  readonly #account: Account
  readonly #onClose: () => void
  readonly #stops = new Set<() => void>()
  /** Somebody else than the owner. */
  readonly #visitor: Visitor | undefined
  #closed = false

  constructor(account: Account, onClose: () => void, visitor?: Visitor) {
    this.accountId = account.state.accountId
    this.#account = account
    this.#onClose = onClose
    this.#visitor = visitor
  }

  state(): Readonly<AccountMailboxState> {
    return this.#account.state
  }

  list(): readonly Readonly<MailboxRecord>[] {
    return this.#account.table.sorted()
  }

  byName(name: string): Readonly<MailboxRecord> | undefined {
    return this.#account.table.byName(name) ?? this.#account.table.byName(canonicalName(name))
  }

  byId(id: MailboxId): Readonly<MailboxRecord> | undefined {
    return this.#account.table.get(id)
  }

  rights(mailbox: MailboxId): Rights {
    return this.#account.table.get(mailbox) ? allRights : ''
  }

  create(name: string, options: Origin & { specialUse?: SpecialUse } = {}): Promise<MailboxRecord> {
    return mailboxes.create(this.#account, name, { ...options, visitor: this.#visitor })
  }

  rename(from: string, to: string, options: Origin = {}): Promise<void> {
    return mailboxes.rename(this.#account, from, to, options.origin, this.#visitor)
  }

  delete(name: string, options: Origin = {}): Promise<void> {
    return mailboxes.remove(this.#account, name, options.origin, this.#visitor)
  }

  subscribe(name: string, subscribed: boolean, options: Origin = {}): Promise<void> {
    return mailboxes.subscribe(this.#account, name, subscribed, this.#visitor, options.origin)
  }

  messages(mailbox: MailboxId): Promise<readonly MessageRecord[]> {
    return this.#account.messages(mailbox)
  }

  messagesNow(mailbox: MailboxId): readonly MessageRecord[] | undefined {
    return this.#account.messagesNow(mailbox)
  }

  async infos(records: readonly MessageRecord[]): Promise<(MessageInfo | undefined)[]> {
    const { parts } = this.#account
    const emailIds = records.map((record) => record.emailId)
    const infos = await parts.store.loadInfos(this.accountId, emailIds)
    const parsed: MessageInfo[] = []
    for (const [at, record] of records.entries()) {
      if (infos[at]) continue
      const info = await this.#parseAgain(record)
      infos[at] = info
      if (info) parsed.push(info)
    }
    if (parsed.length > 0) parts.store.saveInfos(this.accountId, parsed)
    return infos
  }

  /** Undefined where the bytes are gone or damaged: one such message must not keep a listing from the others. */
  async #parseAgain(record: MessageRecord): Promise<MessageInfo | undefined> {
    const { parts } = this.#account
    try {
      const index = await indexOf(parts, { blob: record.blob })
      return index && { emailId: record.emailId, index }
    } catch (error) {
      parts.logger.error(
        { err: error, accountId: this.accountId, emailId: record.emailId },
        'a message can not be read',
      )
      return undefined
    }
  }

  body(record: MessageRecord, start?: number, end?: number): Promise<Uint8Array> {
    return this.#account.parts.log.read(record.blob, start, end)
  }

  stream(record: MessageRecord, start?: number, end?: number): AsyncIterable<Uint8Array> {
    return this.#account.parts.log.stream(record.blob, start, end)
  }

  append(mailbox: MailboxId, added: readonly NewMessage[], options: Origin = {}): Promise<(Appended | 'duplicate')[]> {
    return append(this.#account, mailbox, added, options.origin, this.#visitor)
  }

  store(
    mailbox: MailboxId,
    uids: readonly number[],
    change: FlagChange,
    options: Origin & { unchangedSince?: number } = {},
  ): Promise<StoreResult> {
    return messages.store(this.#account, mailbox, uids, change, { ...options, visitor: this.#visitor })
  }

  copy(from: MailboxId, uids: readonly number[], to: MailboxId, options: Origin = {}): Promise<CopyResult> {
    return messages.copy(this.#account, from, uids, to, options.origin, this.#visitor)
  }

  move(from: MailboxId, uids: readonly number[], to: MailboxId, options: Origin = {}): Promise<CopyResult> {
    return messages.move(this.#account, from, uids, to, options.origin, this.#visitor)
  }

  expunge(mailbox: MailboxId, uids: readonly number[], options: Origin = {}): Promise<number[]> {
    return messages.expunge(this.#account, mailbox, uids, options.origin, this.#visitor)
  }

  replace(
    mailbox: MailboxId,
    uid: number,
    message: NewMessage,
    options: Origin & { to?: MailboxId } = {},
  ): Promise<Appended> {
    return replace(this.#account, mailbox, uid, message, { ...options, visitor: this.#visitor })
  }

  vanished(mailbox: MailboxId, sinceModseq: number): Promise<readonly number[] | undefined> {
    return vanishedSince(this.#account, mailbox, sinceModseq)
  }

  setAcl(mailbox: MailboxId, entry: AclEntry, change: AclChange, options: Origin = {}): Promise<void> {
    return sharing.setAcl(this.#account, mailbox, entry, change, { ...options, visitor: this.#visitor })
  }

  annotations(mailbox: MailboxId | null): Promise<Annotation[]> {
    return sharing.annotations(this.#account, mailbox, this.#visitor)
  }

  setAnnotations(mailbox: MailboxId | null, changes: readonly AnnotationChange[], options: Origin = {}): Promise<void> {
    return sharing.setAnnotations(this.#account, mailbox, changes, { ...options, visitor: this.#visitor })
  }

  async setQuota(limits: number | Partial<QuotaLimits>): Promise<void> {
    if (this.#visitor) throw failures.notPermitted()
    return mailboxes.setQuota(this.#account, typeof limits === 'number' ? { bytes: limits } : limits)
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    const stopListening = this.#account.onChange(listener)
    const stop = () => {
      this.#stops.delete(stop)
      stopListening()
    }
    this.#stops.add(stop)
    return stop
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const stop of this.#stops) stop()
    this.#onClose()
  }
}
