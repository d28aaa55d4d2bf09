// Mailbox records in memory, with the promises of the store in level: a commit is atomic, durable once it resolves, in the
// order of the calls; a crash loses what was not synced; a failure can be ordered, to see what its callers make of it.
import type { AccountMailboxState, JournalEntry, MailboxCommit, MailboxRecord } from '@skein/mailboxes'
import type { MailboxStore, MessageInfo, MessageRecord } from '@skein/mailboxes'
import { SyncedWrites, type MemoryDiskSettings } from './synced-writes.ts'

export interface MemoryMailboxStore extends MailboxStore {
  /** Cuts the power: this store never answers again. Returns the store as the next start finds it. */
  crash(): MemoryMailboxStore
  /**
   * The commits handed in from now on fail with this error, until it is called with undefined.
   * @param reachesDisk they are carried out all the same, as a disk may do that reports a failure too late.
   */
  failCommits(error: Error | undefined, reachesDisk?: boolean): void
}

interface AccountRecords {
  state: AccountMailboxState
  mailboxes: Map<string, MailboxRecord>
  messages: Map<string, Map<number, MessageRecord>>
  infos: Map<string, MessageInfo>
  journal: JournalEntry[]
  deliveries: Map<string, number>
  threads: Map<string, string>
}

export function createMemoryMailboxStore(settings: MemoryDiskSettings = {}): MemoryMailboxStore {
  return new MemoryStore(new Map(), settings)
}

/** Nobody's later change of an object reaches the disk, nor the other way round. */
function copied<Value>(value: Value): Value {
  return structuredClone(value)
}

class MemoryStore implements MemoryMailboxStore {
  readonly #accounts: Map<string, AccountRecords>
  readonly #settings: MemoryDiskSettings
  readonly #disk: SyncedWrites
  readonly #broken = new Map<string, Error>()
  #failure: { error: Error; reachesDisk: boolean } | undefined

  constructor(accounts: Map<string, AccountRecords>, settings: MemoryDiskSettings) {
    this.#accounts = accounts
    this.#settings = settings
    this.#disk = new SyncedWrites(settings)
  }

  failCommits(error: Error | undefined, reachesDisk = false): void {
    this.#failure = error && { error, reachesDisk }
  }

  crash(): MemoryMailboxStore {
    this.#disk.crash()
    return new MemoryStore(this.#accounts, this.#settings)
  }

  loadState(accountId: string): ReturnType<MailboxStore['loadState']> {
    this.#broken.delete(accountId)
    return this.#disk.read(() => {
      const account = this.#accounts.get(accountId)
      return account && copied({ state: account.state, mailboxes: [...account.mailboxes.values()] })
    })
  }

  loadMessages(accountId: string, mailbox: string): Promise<MessageRecord[]> {
    return this.#disk.read(() => {
      const messages = this.#accounts.get(accountId)?.messages.get(mailbox)
      return messages ? [...messages.values()].sort((a, b) => a.uid - b.uid).map(copied) : []
    })
  }

  loadInfos(accountId: string, emailIds: readonly string[]): Promise<(MessageInfo | undefined)[]> {
    return this.#disk.read(() => emailIds.map((id) => copied(this.#accounts.get(accountId)?.infos.get(id))))
  }

  async commit(commit: MailboxCommit): Promise<void> {
    const { accountId } = commit.state
    const failure = this.#failure
    const broken = this.#broken.get(accountId) ?? failure?.error
    if (broken) this.#broken.set(accountId, broken)
    if (broken && !failure?.reachesDisk) {
      await this.#disk.write(() => {})
      throw broken
    }
    const own = copied(commit)
    await this.#disk.write(() => applyCommit(this.#accounts, own))
    if (broken) throw broken
  }

  hasDelivery(accountId: string, deliveryId: string): Promise<boolean> {
    return this.#disk.read(() => this.#accounts.get(accountId)?.deliveries.has(deliveryId) ?? false)
  }

  loadThreads(accountId: string, keys: readonly string[]): Promise<(string | undefined)[]> {
    return this.#disk.read(() => keys.map((key) => this.#accounts.get(accountId)?.threads.get(key)))
  }

  saveInfos(accountId: string, infos: readonly MessageInfo[]): void {
    const own = copied(infos)
    this.#disk.writeLazily(() => {
      for (const info of own) this.#accounts.get(accountId)?.infos.set(info.emailId, info)
    })
  }

  async *journal(accountId: string, afterSeq: number): ReturnType<MailboxStore['journal']> {
    const entries = await this.#disk.read(() => this.#accounts.get(accountId)?.journal.slice() ?? [])
    for (const entry of entries) if (entry.seq > afterSeq) yield copied(entry)
  }

  async deleteAccount(accountId: string): Promise<void> {
    await this.#disk.write(() => this.#accounts.delete(accountId))
    this.#broken.delete(accountId)
  }
}

function applyCommit(accounts: Map<string, AccountRecords>, commit: MailboxCommit): void {
  const { accountId } = commit.state
  let account = accounts.get(accountId)
  if (!account) {
    account = {
      state: commit.state,
      mailboxes: new Map(),
      messages: new Map(),
      infos: new Map(),
      journal: [],
      deliveries: new Map(),
      threads: new Map(),
    }
    accounts.set(accountId, account)
  }
  account.state = commit.state
  account.journal.push(commit.entry)
  for (const { mailbox, record } of commit.putMessages) {
    const messages = account.messages.get(mailbox) ?? new Map<number, MessageRecord>()
    messages.set(record.uid, record)
    account.messages.set(mailbox, messages)
  }
  for (const { mailbox, uid } of commit.deleteMessages) account.messages.get(mailbox)?.delete(uid)
  for (const record of commit.putMailboxes) account.mailboxes.set(record.id, record)
  for (const id of commit.deleteMailboxes) {
    account.mailboxes.delete(id)
    account.messages.delete(id)
  }
  for (const info of commit.putInfos) account.infos.set(info.emailId, info)
  for (const id of commit.deleteInfos) account.infos.delete(id)
  for (const { id, atMs } of commit.deliveryIds) account.deliveries.set(id, atMs)
  for (const { key, threadId } of commit.putThreads ?? []) account.threads.set(key, threadId)
}
