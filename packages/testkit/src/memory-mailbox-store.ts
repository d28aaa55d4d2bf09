// Mailbox records in memory, with the promises of the store in level: a commit is atomic, durable once it resolves, in the
// order of the calls; a crash loses what was not synced; a failure can be ordered, to see what its callers make of it.
import type { AccountMailboxState, JournalEntry, MailboxCommit, MailboxRecord } from '@skein/mailboxes'
import type { AnnotationRecord, MailboxStore, MessageInfo, MessageRecord } from '@skein/mailboxes'
import type { ReaderRecord, SeenMark, Share } from '@skein/mailboxes'
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
  /** By mailbox and user. */
  readers: Map<string, { mailbox: string; reader: ReaderRecord }>
  /** By mailbox and user, then UID. */
  marks: Map<string, Map<number, SeenMark>>
  expunged: { mailbox: string; seq: number; uid: number }[]
  /** By mailbox, user and name. */
  annotations: Map<string, AnnotationRecord>
  /** Whom a mailbox is shared with: grantee, mailbox. */
  shares: Map<string, Share>
}

/** All that the disk has. */
interface Disk {
  accounts: Map<string, AccountRecords>
  server: Map<string, string>
}

export function createMemoryMailboxStore(settings: MemoryDiskSettings = {}): MemoryMailboxStore {
  return new MemoryStore({ accounts: new Map(), server: new Map() }, settings)
}

/** Nobody's later change of an object reaches the disk, nor the other way round. */
function copied<Value>(value: Value): Value {
  return structuredClone(value)
}

class MemoryStore implements MemoryMailboxStore {
  readonly #contents: Disk
  readonly #accounts: Map<string, AccountRecords>
  readonly #settings: MemoryDiskSettings
  readonly #disk: SyncedWrites
  readonly #broken = new Map<string, Error>()
  #failure: { error: Error; reachesDisk: boolean } | undefined

  constructor(contents: Disk, settings: MemoryDiskSettings) {
    this.#contents = contents
    this.#accounts = contents.accounts
    this.#settings = settings
    this.#disk = new SyncedWrites(settings)
  }

  failCommits(error: Error | undefined, reachesDisk = false): void {
    this.#failure = error && { error, reachesDisk }
  }

  crash(): MemoryMailboxStore {
    this.#disk.crash()
    return new MemoryStore(this.#contents, this.#settings)
  }

  loadState(accountId: string): ReturnType<MailboxStore['loadState']> {
    this.#broken.delete(accountId)
    return this.#disk.read(() => {
      const account = this.#accounts.get(accountId)
      if (!account) return undefined
      const { state, mailboxes, readers } = account
      return copied({ state, mailboxes: [...mailboxes.values()], readers: [...readers.values()] })
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

  expunged(accountId: string, mailbox: string, afterSeq: number): Promise<number[]> {
    return this.#disk.read(() => {
      const gone = this.#accounts.get(accountId)?.expunged ?? []
      const uids = gone.filter((it) => it.mailbox === mailbox && it.seq > afterSeq).map((it) => it.uid)
      return [...new Set(uids)].sort((a, b) => a - b)
    })
  }

  loadSeen(accountId: string, mailbox: string, user: string): Promise<SeenMark[]> {
    return this.#disk.read(() => {
      const marks = this.#accounts.get(accountId)?.marks.get(`${mailbox} ${user}`)
      return marks ? [...marks.values()].sort((a, b) => a.uid - b.uid).map(copied) : []
    })
  }

  loadAnnotations(accountId: string, mailbox: string | null): Promise<AnnotationRecord[]> {
    return this.#disk.read(() => {
      const records = [...(this.#accounts.get(accountId)?.annotations.values() ?? [])]
      const place = (record: AnnotationRecord) => `${record.user ?? ''}!${record.name}`
      const wanted = records.filter((record) => record.mailbox === mailbox)
      return wanted.sort((a, b) => (place(a) < place(b) ? -1 : 1)).map(copied)
    })
  }

  sharedWith(grantee: string): Promise<{ owner: string; mailbox: string }[]> {
    return this.#disk.read(() => {
      const shares: { owner: string; mailbox: string }[] = []
      for (const [owner, account] of this.#accounts) {
        for (const share of account.shares.values()) {
          if (share.grantee === grantee) shares.push({ owner, mailbox: share.mailbox })
        }
      }
      const place = (share: { owner: string; mailbox: string }) => `${share.owner}!${share.mailbox}`
      return shares.sort((a, b) => (place(a) < place(b) ? -1 : 1))
    })
  }

  loadServerAnnotations(): Promise<AnnotationRecord[]> {
    return this.#disk.read(() =>
      [...this.#contents.server]
        .map(([name, value]) => ({ mailbox: null, user: null, name, value }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    )
  }

  async putServerAnnotation(name: string, value: string | null): Promise<void> {
    await this.#disk.write(() => {
      if (value === null) this.#contents.server.delete(name)
      else this.#contents.server.set(name, value)
    })
  }

  async deleteAccount(accountId: string): Promise<void> {
    await this.#disk.write(() => {
      this.#accounts.delete(accountId)
      for (const { shares } of this.#accounts.values()) {
        for (const [key, share] of shares) if (share.grantee === accountId) shares.delete(key)
      }
    })
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
      readers: new Map(),
      marks: new Map(),
      expunged: [],
      annotations: new Map(),
      shares: new Map(),
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
  for (const { mailbox, uid } of commit.deleteMessages) {
    account.messages.get(mailbox)?.delete(uid)
    account.expunged.push({ mailbox, seq: commit.entry.seq, uid })
  }
  for (const record of commit.putMailboxes) account.mailboxes.set(record.id, record)
  for (const id of commit.deleteMailboxes) {
    account.mailboxes.delete(id)
    account.messages.delete(id)
    account.expunged = account.expunged.filter(({ mailbox }) => mailbox !== id)
    for (const records of [account.readers, account.marks, account.annotations]) {
      for (const key of records.keys()) if (key.startsWith(`${id} `)) records.delete(key)
    }
  }
  applySharing(account, commit)
  for (const info of commit.putInfos) account.infos.set(info.emailId, info)
  for (const id of commit.deleteInfos) account.infos.delete(id)
  for (const { id, atMs } of commit.deliveryIds) account.deliveries.set(id, atMs)
  for (const { key, threadId } of commit.putThreads ?? []) account.threads.set(key, threadId)
}

/** What others than the owner have of the mailboxes. */
function applySharing(account: AccountRecords, commit: MailboxCommit): void {
  for (const put of commit.putReaders ?? []) account.readers.set(`${put.mailbox} ${put.reader.user}`, put)
  for (const { mailbox, user, mark } of commit.putSeen ?? []) {
    const key = `${mailbox} ${user}`
    const marks = account.marks.get(key) ?? new Map<number, SeenMark>()
    marks.set(mark.uid, mark)
    account.marks.set(key, marks)
  }
  for (const { mailbox, user, uid } of commit.deleteSeen ?? []) account.marks.get(`${mailbox} ${user}`)?.delete(uid)
  const keyOf = ({ mailbox, user, name }: Omit<AnnotationRecord, 'value'>) => `${mailbox} ${user} ${name}`
  for (const record of commit.putAnnotations ?? []) account.annotations.set(keyOf(record), record)
  for (const record of commit.deleteAnnotations ?? []) account.annotations.delete(keyOf(record))
  for (const share of commit.putShares ?? []) account.shares.set(`${share.grantee} ${share.mailbox}`, share)
  for (const share of commit.deleteShares ?? []) account.shares.delete(`${share.grantee} ${share.mailbox}`)
}
