// Keeps the indexes of followed accounts in step with their mailboxes: by the changes as they happen, and by comparing
// where changes may have been missed. Promises: one account at a time, slowly while the node is busy; a message that
// ends the worker is passed over the second time.
import { performance } from 'node:perf_hooks'
import type { AccountChange, AccountMailboxes, JournalOp, Mailboxes, MailboxId } from '@skein/mailboxes'
import type { MessageLog, MessageRecord } from '@skein/mailboxes'
import { isErrorCode, sleep } from '@skein/runtime'
import type { Clock, Logger, Timer } from '@skein/runtime'
import { Batch, readWhole } from './batch.ts'
import { searchLimits } from './limits.ts'
import type { GivenLetter } from './requests.ts'
import { type SearchWorker, WorkerGone } from './search-worker.ts'

interface Followed {
  /** The index has all but what `missed` holds. */
  current: boolean
  /** Changes since it was (or began to be) compared. */
  missed: JournalOp[]
  /** In the queue or being worked on. */
  queued: boolean
  /** The worker may hold what is not on disk. */
  unwritten: boolean
  waiters: (() => void)[]
  failures: number
  /** By mailbox: what the index must cover before it is given more. */
  covered: Map<MailboxId, number>
}

export interface AccountFeedParts {
  log: MessageLog
  clock: Clock
  logger: Logger
  worker: Pick<SearchWorker, 'request'>
}

export class AccountFeed {
  readonly #parts: AccountFeedParts
  readonly #accounts = new Map<string, Followed>()
  readonly #queue: string[] = []
  /** Messages under way when a worker ended, and those that ended one alone. */
  readonly #suspects = new Map<string, 'alone' | 'skip'>()
  #mailboxes: Pick<Mailboxes, 'open'> | null = null
  #running: Promise<void> | null = null
  readonly #timers = new Set<Timer>()
  readonly #stop = new AbortController()
  #utilization = performance.eventLoopUtilization()

  constructor(parts: AccountFeedParts) {
    this.#parts = parts
  }

  start(mailboxes: Pick<Mailboxes, 'open'>): void {
    this.#mailboxes = mailboxes
    this.#run()
  }

  get holdsWork(): boolean {
    return [...this.#accounts.values()].some((account) => account.queued || account.unwritten)
  }

  isFollowed(accountId: string): boolean {
    return this.#accounts.has(accountId)
  }

  follow(accountId: string): void {
    if (this.#accounts.has(accountId)) return
    const account: Followed = {
      current: false,
      missed: [],
      queued: false,
      unwritten: false,
      waiters: [],
      failures: 0,
      covered: new Map(),
    }
    this.#accounts.set(accountId, account)
    this.#enqueue(accountId, account)
  }

  changed(accountId: string, { entry }: AccountChange): void {
    const account = this.#accounts.get(accountId)
    if (account === undefined) return
    for (const op of entry.ops) {
      if (op.op === 'add' || op.op === 'expunge' || op.op === 'mailbox-delete') account.missed.push(op)
    }
    if (account.missed.length > searchLimits.followedChangesMax) {
      account.missed = []
      account.current = false
    }
    if (account.queued || (account.current && account.missed.length === 0)) return
    account.queued = true
    this.#later(searchLimits.followDelayMs, () => this.#push(accountId))
  }

  /** Something about the account's index went wrong: it is compared again. */
  doubt(accountId: string): void {
    const account = this.#accounts.get(accountId)
    if (account === undefined) return
    account.current = false
    this.#enqueue(accountId, account)
  }

  forget(accountId: string): void {
    const account = this.#accounts.get(accountId)
    this.#accounts.delete(accountId)
    for (const done of account?.waiters ?? []) done()
    if (account !== undefined) this.#parts.worker.request({ kind: 'forget', account: accountId }).catch(() => {})
  }

  workerLost(): void {
    for (const [accountId, account] of this.#accounts) {
      account.current = false
      if (account.unwritten) this.#enqueue(accountId, account)
      account.unwritten = false
    }
  }

  settled(accountId: string): Promise<void> {
    const account = this.#accounts.get(accountId)
    if (account === undefined || (account.current && !account.queued && account.missed.length === 0)) {
      return Promise.resolve()
    }
    this.#enqueue(accountId, account)
    return new Promise((resolve) => account.waiters.push(resolve))
  }

  #enqueue(accountId: string, account: Followed): void {
    if (account.queued) return
    account.queued = true
    this.#push(accountId)
  }

  #push(accountId: string): void {
    this.#queue.push(accountId)
    this.#run()
  }

  #later(delayMs: number, task: () => void): void {
    const timer = this.#parts.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      task()
    })
    this.#timers.add(timer)
  }

  #run(): void {
    if (this.#mailboxes === null || this.#running !== null || this.#stop.signal.aborted) return
    this.#running = this.#work().finally(() => {
      this.#running = null
      if (this.#queue.length > 0) this.#run()
    })
  }

  async #work(): Promise<void> {
    for (let accountId = this.#queue.shift(); accountId !== undefined; accountId = this.#queue.shift()) {
      if (this.#stop.signal.aborted) return
      const account = this.#accounts.get(accountId)
      if (account === undefined) continue
      try {
        await this.#bringUpToDate(accountId, account)
        account.failures = 0
        account.queued = false
        if (account.missed.length > 0 || !account.current) this.#enqueue(accountId, account)
        else for (const done of account.waiters.splice(0)) done()
      } catch (error) {
        this.#failed(accountId, account, error)
      }
    }
  }

  #failed(accountId: string, account: Followed, error: unknown): void {
    account.current = false
    if (this.#stop.signal.aborted) return
    if (isErrorCode(error, 'no-such-account')) return this.forget(accountId)
    account.failures += 1
    const { logger } = this.#parts
    if (!(error instanceof WorkerGone))
      logger.warn({ error: String(error), accountId }, 'an account could not be indexed')
    // A lost worker is started anew at once; whatever else is wrong may take longer.
    const delayMs = error instanceof WorkerGone && account.failures < 5 ? 50 : Math.min(60_000, 1000 * account.failures)
    this.#later(delayMs, () => this.#push(accountId))
  }

  async #bringUpToDate(accountId: string, account: Followed): Promise<void> {
    await using mailboxes = await (this.#mailboxes as Pick<Mailboxes, 'open'>).open(accountId)
    if (!account.current) {
      account.missed = []
      account.current = true
      await this.#compare(mailboxes, account)
    }
    while (account.missed.length > 0) await this.#takeUp(mailboxes, account, account.missed.splice(0))
    if (!account.unwritten) return
    await this.#parts.worker.request({ kind: 'flush', account: accountId })
    account.unwritten = false
  }

  /* ------------------------------------------------------------------ comparing */

  async #compare(mailboxes: AccountMailboxes, account: Followed): Promise<void> {
    const { worker } = this.#parts
    const { accountId } = mailboxes
    const standing = await worker.request({ kind: 'standing', account: accountId })
    const known = new Map(standing.map((mailbox) => [mailbox.id, mailbox]))
    account.covered = new Map()
    const records = [...mailboxes.list()]
    const ids = records.map(({ id }) => id)
    if (standing.some(({ id }) => !ids.includes(id))) {
      await worker.request({ kind: 'keep-mailboxes', account: accountId, mailboxes: ids })
      account.unwritten = true
    }
    for (const { id, uidValidity, uidNext, messages } of records) {
      const had = known.get(id)
      const same = had?.uidValidity === uidValidity ? had : undefined
      account.covered.set(id, same?.coveredUid ?? 0)
      if (same === undefined && messages === 0) continue
      if (same?.coveredUid === uidNext - 1 && same.letters === messages) continue
      await this.#compareMailbox(mailboxes, account, id)
    }
  }

  async #compareMailbox(mailboxes: AccountMailboxes, account: Followed, mailbox: MailboxId): Promise<void> {
    const { worker } = this.#parts
    const { accountId } = mailboxes
    // Gone meanwhile: a change says so.
    const live = mailboxes.byId(mailbox) === undefined ? [] : await mailboxes.messages(mailbox)
    const record = mailboxes.byId(mailbox)
    if (record === undefined) return
    const { uidValidity, uidNext } = record
    const records = [...live]
    account.unwritten = true
    const coveredUid = account.covered.get(mailbox) ?? 0
    let first = records.findIndex(({ uid }) => uid > coveredUid)
    if (first < 0) first = records.length
    if (first > 0) {
      const uids = Uint32Array.from(records.slice(0, first).map(({ uid }) => uid))
      const letters = await worker.request({ kind: 'keep', account: accountId, mailbox, uids })
      if (letters !== first) {
        // It lacks some that it says it covers: from the start.
        const others = mailboxes.list().flatMap(({ id }) => (id === mailbox ? [] : [id]))
        await worker.request({ kind: 'keep-mailboxes', account: accountId, mailboxes: others })
        account.covered.set(mailbox, 0)
        first = 0
      }
    } else if (coveredUid > 0) {
      await worker.request({ kind: 'keep', account: accountId, mailbox, uids: new Uint32Array(0) })
    }
    await this.#give(account, accountId, { id: mailbox, uidValidity }, records.slice(first), uidNext - 1)
  }

  /* ------------------------------------------------------------------ changes */

  async #takeUp(mailboxes: AccountMailboxes, account: Followed, ops: readonly JournalOp[]): Promise<void> {
    const { worker } = this.#parts
    const { accountId } = mailboxes
    account.unwritten = true
    for (let at = 0; at < ops.length;) {
      const { op } = ops[at] as JournalOp
      const mailbox = (ops[at] as JournalOp & { mailbox: MailboxId }).mailbox
      if (op === 'mailbox-delete') {
        await worker.request({
          kind: 'keep-mailboxes',
          account: accountId,
          mailboxes: mailboxes.list().map(({ id }) => id),
        })
        at += 1
        continue
      }
      // Neighbours of one kind go together.
      const start = at
      while (
        at < ops.length &&
        ops[at]?.op === op &&
        (ops[at] as (typeof ops)[0] & { mailbox: string }).mailbox === mailbox
      )
        at++
      const same = ops.slice(start, at)
      const record = mailboxes.byId(mailbox)
      if (record === undefined) continue
      if (op === 'expunge') {
        const uids = same.map((each) => (each.op === 'expunge' ? each.uid : 0))
        await worker.request({ kind: 'remove', account: accountId, mailbox, uids })
      } else if (op === 'add') {
        const added = same.flatMap((each) => (each.op === 'add' ? [each.message] : []))
        await this.#give(account, accountId, record, added, added.at(-1)?.uid ?? 0)
      }
    }
  }

  /* ------------------------------------------------------------------ handing over */

  /** @param records ascending. @param coveredUid what is covered when all are taken in */
  async #give(
    account: Followed,
    accountId: string,
    mailbox: { id: MailboxId; uidValidity: number },
    records: readonly MessageRecord[],
    coveredUid: number,
  ): Promise<void> {
    let before: Promise<void> = Promise.resolve()
    for (let at = 0; at < records.length;) {
      await this.#quiet()
      const batch = new Batch()
      const given: string[] = []
      while (at < records.length && !batch.isFull) {
        const record = records[at] as MessageRecord
        const key = `${accountId} ${mailbox.id} ${record.uid}`
        const suspicion = this.#suspects.get(key)
        // One that was there when a worker ended goes alone.
        if (suspicion === 'alone' && given.length > 0) break
        batch.add(record.uid, suspicion === 'skip' ? null : await this.#read(record))
        given.push(key)
        at += 1
        if (suspicion === 'alone') break
      }
      // One is taken in while the next is read.
      await before
      before = this.#send(account, accountId, mailbox, batch, given)
      before.catch(() => {})
    }
    await before
    await this.#add(account, accountId, mailbox, [], coveredUid)
  }

  async #add(
    account: Followed,
    accountId: string,
    { id: mailbox, uidValidity }: { id: MailboxId; uidValidity: number },
    letters: GivenLetter[],
    coveredUid: number,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<void> {
    const after = account.covered.get(mailbox) ?? 0
    account.covered.set(mailbox, Math.max(after, coveredUid))
    const request = { kind: 'add', account: accountId, mailbox, uidValidity, letters, after, coveredUid } as const
    await this.#parts.worker.request(request, transfer)
  }

  async #send(
    account: Followed,
    accountId: string,
    mailbox: { id: MailboxId; uidValidity: number },
    { letters, transfer }: Batch,
    keys: readonly string[],
  ): Promise<void> {
    const { worker, logger } = this.#parts
    try {
      await this.#add(account, accountId, mailbox, letters, letters.at(-1)?.uid ?? 0, transfer)
      // What was suspected goes to disk before the next one may end the worker.
      if (keys.length === 1 && this.#suspects.delete(keys[0] as string)) {
        await worker.request({ kind: 'flush', account: accountId })
      }
    } catch (error) {
      if (error instanceof WorkerGone && !this.#stop.signal.aborted) {
        const only = keys.length === 1 ? (keys[0] as string) : undefined
        if (only !== undefined) {
          this.#suspects.set(only, 'skip')
          logger.error({ accountId, mailbox: mailbox.id, uid: letters[0]?.uid }, 'a message can not be indexed')
        } else for (const key of keys) this.#suspects.set(key, 'alone')
      }
      throw error
    }
  }

  /** Null where the disk no longer gives it back. */
  async #read(record: MessageRecord): Promise<Uint8Array | null> {
    if (record.size > searchLimits.messageBytesMax) return null
    const { log } = this.#parts
    const source = { body: () => log.read(record.blob), stream: () => log.stream(record.blob) }
    try {
      return await readWhole(source, record)
    } catch (error) {
      if ((error as { kind?: string }).kind === 'temporary') throw error
      return null
    }
  }

  /** Lets the node's own work go first. */
  async #quiet(): Promise<void> {
    const { clock } = this.#parts
    const { signal } = this.#stop
    for (let waitedMs = 0; waitedMs < searchLimits.busyWaitMsMax; waitedMs += 20) {
      signal.throwIfAborted()
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, this.#utilization)
      this.#utilization = now
      if (utilization < searchLimits.busyRatio) return
      await sleep(clock, 20, signal)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new WorkerGone('search is closed'))
    for (const timer of this.#timers) timer.cancel()
    await this.#running?.catch(() => {})
    // What waits in the worker is written.
    for (const [account, { unwritten }] of this.#accounts) {
      if (unwritten) await this.#parts.worker.request({ kind: 'flush', account }).catch(() => {})
    }
    for (const account of this.#accounts.values()) for (const done of account.waiters.splice(0)) done()
  }
}
