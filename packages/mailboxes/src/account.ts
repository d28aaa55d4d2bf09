// The single writer of one account. Commits are planned without waiting, each on top of the one before, handed to the
// store in order, many under way at once; they become visible when they are durable, in order. Where one fails, all
// behind it fail, and memory is made anew from what the store has.
import { SkeinError, type Clock, type Logger } from '@skein/runtime'
import { CommitDraft } from './commit-draft.ts'
import { failures } from './failures.ts'
import { mailboxMemoryLimits } from './limits.ts'
import { MailboxTable } from './mailbox-table.ts'
import { applyEntry, findByUid } from './message-list.ts'
import type { AccountChange, AccountFollower, AccountMailboxState, JournalEntry, LoadedState } from './ports.ts'
import type { MailboxCommit, MailboxId, MailboxStore, MessageLog, MessageRecord } from './ports.ts'
import { ReaderTable, SeenMarks, asRead } from './readers.ts'
import { rightsOf } from './rights.ts'
import { translatedEntry } from './shared-change.ts'
import { RecentThreads } from './threads.ts'

export interface AccountParts {
  store: MailboxStore
  log: MessageLog
  clock: Clock
  logger: Logger
  newEmailId(): string
  newMailboxId(): MailboxId
  follower?: AccountFollower
}

interface UnderWay {
  commit: MailboxCommit
  origin: unknown
  outcome: 'waiting' | 'durable' | 'failed'
  error: unknown
  settled: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

function isPutOf(
  put: MailboxCommit['putMessages'][number] | undefined,
  op: { mailbox: MailboxId; uid: number },
): boolean {
  return put !== undefined && put.record.uid === op.uid && put.mailbox === op.mailbox
}

interface LoadedList {
  records: MessageRecord[]
  loading: Promise<void> | null
  /** Became visible while the list was loading. */
  missed: JournalEntry[]
}

/** What a change that is not visible yet will make of a message; null: gone. */
interface PlannedRecord {
  record: MessageRecord | null
  seq: number
}

interface View {
  state: AccountMailboxState
  table: MailboxTable
  readers: ReaderTable
}

/** A mailbox as a reader sees it. */
interface ReadList {
  mailbox: MailboxId
  user: string
  records: MessageRecord[]
}

export class Account {
  readonly parts: AccountParts
  readonly recentThreads = new RecentThreads()
  /** Ids of messages that were copied lately: their parsed index is still needed when one copy goes. */
  readonly recentCopies = new Set<string>()
  /** Delivery ids of appends that are not over, each with the end of its append. */
  readonly deliveriesUnderWay = new Map<string, Promise<void>>()
  #visible: View
  #planned: View
  readonly #lists = new Map<MailboxId, LoadedList>()
  /** Of those who look at mailboxes that are shared with them. */
  readonly #readLists = new Map<string, ReadList>()
  readonly marks: SeenMarks
  readonly #plannedRecords = new Map<MailboxId, Map<number, PlannedRecord>>()
  #underWay: UnderWay[] = []
  readonly #listeners = new Set<(change: AccountChange) => void>()
  /** A commit failed, and memory has not been made anew since. */
  #failed = false
  #recovery: Promise<void> | null = null
  #allOver: (() => void) | null = null
  #gone = false

  constructor(parts: AccountParts, loaded: LoadedState) {
    this.parts = parts
    this.#visible = viewOf(loaded)
    this.#planned = viewOf(loaded)
    this.marks = new SeenMarks(async (mailbox, user) => {
      const marks = await parts.store.loadSeen(this.state.accountId, mailbox, user)
      await this.#allVisible()
      return marks
    })
  }

  get state(): AccountMailboxState {
    return this.#visible.state
  }

  /** Committed mailboxes. */
  get table(): MailboxTable {
    return this.#visible.table
  }

  get readers(): ReaderTable {
    return this.#visible.readers
  }

  get plannedReaders(): ReaderTable {
    return this.#planned.readers
  }

  /** As they will be when all commits under way are durable: for what a new one builds on. */
  get plannedTable(): MailboxTable {
    return this.#planned.table
  }

  /** It must stay in memory. After a failed commit too: what is visible can be read, until the store says what it has. */
  get busy(): boolean {
    return this.#failed || this.#underWay.length > 0 || this.#recovery !== null || this.deliveriesUnderWay.size > 0
  }

  get recordBytes(): number {
    let records = 0
    for (const list of this.#lists.values()) records += list.records.length
    for (const list of this.#readLists.values()) records += list.records.length
    records += this.marks.marksLoaded
    return records * mailboxMemoryLimits.recordBytesEstimate
  }

  /** The account was deleted: everything asked of it from now on is refused. */
  markGone(): void {
    this.#gone = true
    this.#listeners.clear()
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    // A listener given twice is called twice.
    const own = (change: AccountChange) => listener(change)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /* ------------------------------------------------------------------ planning */

  /** @throws SkeinError `no-such-account`, or what keeps the store from being read after a failure. */
  async ready(): Promise<void> {
    while (this.#failed && !this.#gone) {
      this.#recovery ??= this.#recover().finally(() => {
        this.#recovery = null
      })
      await this.#recovery
    }
    if (this.#gone) throw failures.noSuchAccount()
  }

  /**
   * One change: `plan` fills the draft, without waiting for anything, and the draft is handed in.
   * @returns what `plan` returned, when the change is durable and visible. An empty draft is no commit.
   */
  async change<Result>(origin: unknown, plan: (draft: CommitDraft) => Result): Promise<Result> {
    for (;;) {
      while (this.#failed || this.#gone) await this.ready()
      const draft = this.#draft()
      const result = plan(draft)
      if (await this.#done(draft, origin)) return result
    }
  }

  /** The same with the messages of a mailbox at hand. @throws SkeinError `no-such-mailbox` */
  async changeMessages<Result>(
    mailbox: MailboxId,
    origin: unknown,
    plan: (draft: CommitDraft, list: readonly MessageRecord[]) => Result,
  ): Promise<Result> {
    for (;;) {
      let list = await this.messages(mailbox)
      while (this.#failed || this.#gone || !this.#marksReady(mailbox)) {
        await this.ready()
        list = await this.messages(mailbox)
        for (const { user } of this.plannedReaders.of(mailbox)) await this.marks.load(mailbox, user)
      }
      const draft = this.#draft()
      const result = plan(draft, list)
      if (await this.#done(draft, origin)) return result
    }
  }

  /**
   * Resolves when the draft is durable and visible. An empty one says that all is as wanted already, which holds only once the
   * commits under way that it was planned on are durable too. @returns false where those failed: to be planned again
   */
  async #done(draft: CommitDraft, origin: unknown): Promise<boolean> {
    if (!draft.isEmpty) {
      await this.#submit(draft, origin)
      return true
    }
    const last = this.#underWay.at(-1)
    if (last === undefined) return true
    try {
      await last.settled
      return true
    } catch {
      return false
    }
  }

  #draft(): CommitDraft {
    const { state, table, readers } = this.#planned
    const markOf = (mailbox: MailboxId, user: string, uid: number) => this.marks.planned(mailbox, user, uid)
    return new CommitDraft({ state, table, readers, markOf }, this.parts.clock.nowMs())
  }

  /** What every reader has seen of the mailbox is at hand. */
  #marksReady(mailbox: MailboxId): boolean {
    for (const { user } of this.plannedReaders.of(mailbox)) if (!this.marks.isLoaded(mailbox, user)) return false
    return true
  }

  /** The message as the next commit finds it; undefined: a commit under way removes it. */
  planned(mailbox: MailboxId, visible: MessageRecord): MessageRecord | undefined {
    const planned = this.#plannedRecords.get(mailbox)?.get(visible.uid)
    return planned ? (planned.record ?? undefined) : visible
  }

  /** Hands the draft to the store. Resolves when it is durable and visible. */
  #submit(draft: CommitDraft, origin: unknown): Promise<void> {
    const commit = draft.finish()
    this.#planned.state = commit.state
    for (const record of commit.putMailboxes) this.#planned.table.set(record)
    for (const id of commit.deleteMailboxes) this.#planned.table.delete(id)
    this.#planned.readers.apply(commit)
    this.#notePlanned(commit)
    this.marks.plan(commit)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const item: UnderWay = { commit, origin, outcome: 'waiting', error: null, settled: promise, resolve, reject }
    this.#underWay.push(item)
    this.parts.store.commit(commit).then(
      () => this.#over(item, 'durable', null),
      (error: unknown) => this.#over(item, 'failed', error),
    )
    return promise
  }

  #notePlanned(commit: MailboxCommit): void {
    const { ops, seq } = commit.entry
    let put = 0
    for (const op of ops) {
      if (op.op === 'expunge') this.#plannedOf(op.mailbox).set(op.uid, { record: null, seq })
      else if (op.op === 'flags') {
        // The draft adds both in one order.
        while (put < commit.putMessages.length && !isPutOf(commit.putMessages[put], op)) put += 1
        const record = commit.putMessages[put]?.record ?? null
        this.#plannedOf(op.mailbox).set(op.uid, { record, seq })
      }
    }
  }

  #plannedOf(mailbox: MailboxId): Map<number, PlannedRecord> {
    let planned = this.#plannedRecords.get(mailbox)
    if (!planned) {
      planned = new Map()
      this.#plannedRecords.set(mailbox, planned)
    }
    return planned
  }

  /* ------------------------------------------------------------------ becoming visible */

  #over(item: UnderWay, outcome: 'durable' | 'failed', error: unknown): void {
    item.outcome = outcome
    item.error = error
    if (outcome === 'failed') this.#failed = true
    for (let first = this.#underWay[0]; first?.outcome === 'durable'; first = this.#underWay[0]) {
      this.#underWay.shift()
      this.#show(first.commit)
      this.#tell({ entry: first.commit.entry, origin: first.origin })
      first.resolve()
    }
    if (this.#failed && this.#underWay.every((it) => it.outcome !== 'waiting')) {
      this.#allOver?.()
      // Started here, so that those who wait for the failed commits hear of it with memory in order.
      this.ready().catch((cause: unknown) => {
        this.parts.logger.error({ err: cause, accountId: this.state.accountId }, 'an account could not be read again')
      })
    }
  }

  #show(commit: MailboxCommit): void {
    const { entry } = commit
    this.#visible.state = commit.state
    for (const record of commit.putMailboxes) this.#visible.table.set(record)
    for (const id of commit.deleteMailboxes) {
      this.#visible.table.delete(id)
      this.#lists.delete(id)
      this.#plannedRecords.delete(id)
      this.marks.forget(id)
    }
    this.#visible.readers.apply(commit)
    this.marks.show(commit)
    this.#applyToLists(entry)
    for (const op of entry.ops) {
      if (op.op !== 'flags' && op.op !== 'expunge') continue
      const planned = this.#plannedRecords.get(op.mailbox)
      if (planned?.get(op.uid)?.seq === entry.seq) planned.delete(op.uid)
    }
  }

  #applyToLists(entry: JournalEntry): void {
    if (this.#lists.size === 0) return
    for (const [mailbox, list] of this.#lists) {
      if (list.loading) list.missed.push(entry)
      else applyEntry(list.records, mailbox, entry)
    }
    for (const [key, { mailbox, user, records }] of this.#readLists) {
      const readable = rightsOf(this.table.get(mailbox)?.acl, user).includes('r')
      if (!readable || !this.#lists.has(mailbox)) this.#readLists.delete(key)
      else applyEntry(records, mailbox, translatedEntry(this, entry, user))
    }
  }

  #tell(change: AccountChange): void {
    this.parts.follower?.changed(this.state.accountId, change)
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        this.parts.logger.error({ err: error, accountId: this.state.accountId }, 'a listener of changes failed')
      }
    }
  }

  /** Resolves when everything handed in so far is durable and visible, or has failed. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#underWay.map((item) => item.settled))
    if (this.#recovery) await this.#recovery.catch(() => {})
  }

  /* ------------------------------------------------------------------ after a failed commit */

  async #recover(task?: () => Promise<void>): Promise<void> {
    if (this.#underWay.some((item) => item.outcome === 'waiting')) {
      await new Promise<void>((resolve) => {
        this.#allOver = resolve
      })
      this.#allOver = null
    }
    const failed = this.#underWay
    this.#underWay = []
    try {
      await task?.()
    } finally {
      await this.#readAgainFor(failed)
    }
  }

  async #readAgainFor(failed: readonly UnderWay[]): Promise<void> {
    try {
      await this.#readAgain()
      this.#failed = false
    } finally {
      for (const item of failed)
        item.reject(item.error ?? new SkeinError('store-write-failed', 'temporary', 'not written'))
    }
  }

  /**
   * Runs `task`, which may change the account's records in the store (not its messages), while no commit is under way,
   * then makes memory anew. Commits that are asked for meanwhile wait.
   */
  async repair(task: () => Promise<void>): Promise<void> {
    while (this.#failed && !this.#gone) await this.ready()
    this.#failed = true
    this.#recovery = this.#recover(task).finally(() => {
      this.#recovery = null
    })
    await this.#recovery
  }

  async #readAgain(): Promise<void> {
    const { store } = this.parts
    const { accountId, seq } = this.state
    const loaded = await store.loadState(accountId)
    const entries: JournalEntry[] = []
    for await (const entry of store.journal(accountId, seq)) entries.push(entry)
    this.recentThreads.clear()
    this.#plannedRecords.clear()
    this.marks.forgetPlanned()
    if (!loaded) return this.markGone()
    this.#visible = viewOf(loaded)
    this.#planned = viewOf(loaded)
    for (const id of this.#lists.keys()) {
      if (this.#visible.table.get(id)) continue
      this.#lists.delete(id)
      this.marks.forget(id)
    }
    // A commit may have reached the disk although the store said that it failed.
    for (const entry of entries) {
      this.marks.apply(entry)
      this.#applyToLists(entry)
      this.#tell({ entry, origin: undefined })
    }
  }

  /* ------------------------------------------------------------------ messages */

  /** The live list, loaded when first asked for. @throws SkeinError `no-such-mailbox` */
  async messages(mailbox: MailboxId): Promise<MessageRecord[]> {
    if (this.#gone) throw failures.noSuchAccount()
    if (!this.#visible.table.get(mailbox)) throw failures.noSuchMailbox()
    let list = this.#lists.get(mailbox)
    if (!list) {
      list = { records: [], loading: null, missed: [] }
      this.#lists.set(mailbox, list)
      list.loading = this.#load(mailbox, list)
    }
    if (list.loading) await list.loading
    return list.records
  }

  /** The live list where it is in memory. */
  messagesNow(mailbox: MailboxId): MessageRecord[] | undefined {
    const list = this.#lists.get(mailbox)
    return this.#gone || list?.loading !== null ? undefined : list.records
  }

  /** What was read may hold what is durable but not visible yet: waits until it is. */
  async #allVisible(): Promise<void> {
    await this.#underWay.at(-1)?.settled.catch(() => {})
  }

  flagsOf(mailbox: MailboxId, uid: number): readonly string[] | undefined {
    const list = this.#lists.get(mailbox)
    return list && findByUid(list.records, uid)?.flags
  }

  /** The live list as a reader sees it. @throws SkeinError `no-such-mailbox` */
  async messagesReadBy(mailbox: MailboxId, user: string): Promise<MessageRecord[]> {
    const key = `${mailbox} ${user}`
    let base = await this.messages(mailbox)
    while (!this.marks.isLoaded(mailbox, user)) {
      await this.marks.load(mailbox, user)
      base = await this.messages(mailbox)
    }
    let list = this.#readLists.get(key)
    if (!list) {
      const records = base.map((record) => asRead(record, this.marks.visible(mailbox, user, record.uid)))
      this.#readLists.set(key, (list = { mailbox, user, records }))
    }
    return list.records
  }

  messagesReadNow(mailbox: MailboxId, user: string): MessageRecord[] | undefined {
    return this.messagesNow(mailbox) && this.#readLists.get(`${mailbox} ${user}`)?.records
  }

  async #load(mailbox: MailboxId, list: LoadedList): Promise<void> {
    try {
      const records = await this.parts.store.loadMessages(this.state.accountId, mailbox)
      await this.#allVisible()
      for (const entry of list.missed) applyEntry(records, mailbox, entry)
      list.records = records
      list.missed = []
      list.loading = null
    } catch (error) {
      if (this.#lists.get(mailbox) === list) this.#lists.delete(mailbox)
      throw error
    }
  }
}

function viewOf({ state, mailboxes, readers }: LoadedState): View {
  return { state, table: new MailboxTable(mailboxes), readers: new ReaderTable(readers) }
}
