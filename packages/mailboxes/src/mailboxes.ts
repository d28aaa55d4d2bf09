// Opens accounts: one writer for each, shared by all who have it open, forgotten a while after the last let go.
import { SerialByKey, createUlidFactory, type Clock, type Logger, type Random, type Timer } from '@skein/runtime'
import { AccountHandle } from './account-handle.ts'
import { Account, type AccountParts } from './account.ts'
import { createDefaults } from './change-mailboxes.ts'
import { failures } from './failures.ts'
import { checkAnnotation } from './change-sharing.ts'
import { mailboxMemoryLimits, type MailboxesSettings } from './limits.ts'
import { mailboxLimits } from './ports.ts'
import type { AccountFollower, AccountMailboxes, BlobRef, MailboxStore, Mailboxes, MessageLog } from './ports.ts'
import { anyone } from './rights.ts'
import { SharedHandle } from './shared-handle.ts'

export interface MailboxesComponents {
  store: MailboxStore
  log: MessageLog
  clock: Clock
  random: Random
  logger: Logger
  follower?: AccountFollower
}

export interface RepairableMailboxes extends Mailboxes {
  /** Runs `task` on the account's records in the store (not its messages) while nothing else writes them. */
  repair(accountId: string, task: () => Promise<void>): Promise<void>
}

interface OpenAccount {
  account: Account
  handles: number
  idleSinceMs: number
}

export function createMailboxes(
  components: MailboxesComponents,
  settings: MailboxesSettings = {},
): RepairableMailboxes {
  return new OpenAccounts(components, settings)
}

class OpenAccounts implements RepairableMailboxes {
  readonly #parts: AccountParts
  readonly #settings: Required<MailboxesSettings>
  /** The longest unused first. */
  readonly #accounts = new Map<string, OpenAccount>()
  readonly #serial = new SerialByKey<string>()
  readonly #annotationListeners = new Set<(names: readonly string[], origin: unknown) => void>()
  #sweep: Timer | null = null
  #closed = false

  constructor(components: MailboxesComponents, settings: MailboxesSettings) {
    const { store, log, clock, random, logger, follower } = components
    this.#parts = {
      ...(follower && { follower }),
      store,
      log,
      clock,
      logger,
      newEmailId: createUlidFactory(clock, random),
      newMailboxId: () => Buffer.from(random.bytes(8)).toString('hex'),
    }
    this.#settings = {
      idleAccountMs: settings.idleAccountMs ?? mailboxMemoryLimits.idleAccountMs,
      accountsInMemoryMax: settings.accountsInMemoryMax ?? mailboxMemoryLimits.accountsInMemoryMax,
      idleRecordBytesMax: settings.idleRecordBytesMax ?? mailboxMemoryLimits.idleRecordBytesMax,
    }
  }

  createAccount(accountId: string, options: { quotaBytes: number; epoch: number }): Promise<void> {
    return this.#serial.run(accountId, async () => {
      if (this.#closed) throw failures.closed()
      const found = this.#accounts.get(accountId) ?? (await this.#parts.store.loadState(accountId))
      if (found) return
      const state = {
        accountId,
        epoch: options.epoch,
        seq: 0,
        nextUidValidity: Math.max(1, Math.floor(this.#parts.clock.nowMs() / 1000)),
        quotaBytes: options.quotaBytes,
        usedBytes: 0,
      }
      await createDefaults(new Account(this.#parts, { state, mailboxes: [], readers: [] }))
    })
  }

  deleteAccount(accountId: string): Promise<void> {
    return this.#serial.run(accountId, async () => {
      const open = this.#accounts.get(accountId)
      this.#accounts.delete(accountId)
      open?.account.markGone()
      await open?.account.idle()
      const { store, log } = this.#parts
      const loaded = await store.loadState(accountId)
      const blobs: BlobRef[] = []
      for (const { id } of loaded?.mailboxes ?? []) {
        for (const { blob } of await store.loadMessages(accountId, id)) blobs.push(blob)
      }
      await store.deleteAccount(accountId)
      for (const blob of blobs) log.release(blob)
      this.#parts.follower?.deleted(accountId)
    })
  }

  repair(accountId: string, task: () => Promise<void>): Promise<void> {
    return this.#serial.run(accountId, async () => {
      const open = this.#accounts.get(accountId)
      // Nobody can open it before this is over.
      await (open ? open.account.repair(task) : task())
    })
  }

  async open(accountId: string): Promise<AccountMailboxes> {
    const used = await this.#use(accountId)
    return new AccountHandle(used.account, () => this.#letGo(used))
  }

  async openShared(owner: string, user: string): Promise<AccountMailboxes> {
    if (owner === user) return this.open(owner)
    const used = await this.#use(owner)
    return new SharedHandle(used.account, user, () => this.#letGo(used))
  }

  async sharersWith(accountId: string): Promise<readonly string[]> {
    const { store } = this.#parts
    const shares = await Promise.all([store.sharedWith(accountId), store.sharedWith(anyone)])
    const owners = new Set(shares.flat().map((share) => share.owner))
    owners.delete(accountId)
    return [...owners].sort()
  }

  async serverAnnotations(): Promise<ReadonlyMap<string, string>> {
    const records = await this.#parts.store.loadServerAnnotations()
    return new Map(records.map(({ name, value }) => [name, value]))
  }

  setServerAnnotations(
    changes: readonly { name: string; value: string | null }[],
    { origin }: { origin?: unknown } = {},
  ): Promise<void> {
    for (const change of changes) checkAnnotation(change)
    return this.#serial.run('server annotations', async () => {
      const names = new Set((await this.serverAnnotations()).keys())
      for (const { name, value } of changes) {
        if (value === null) names.delete(name.toLowerCase())
        else names.add(name.toLowerCase())
      }
      if (names.size > mailboxLimits.annotationsMax) throw failures.tooManyAnnotations()
      for (const { name, value } of changes) await this.#parts.store.putServerAnnotation(name.toLowerCase(), value)
      const set = changes.map(({ name }) => name.toLowerCase())
      for (const listener of this.#annotationListeners) listener(set, origin)
    })
  }

  onServerAnnotations(listener: (names: readonly string[], origin: unknown) => void): () => void {
    // A listener given twice is called twice.
    const own = (names: readonly string[], origin: unknown) => listener(names, origin)
    this.#annotationListeners.add(own)
    return () => void this.#annotationListeners.delete(own)
  }

  async #use(accountId: string): Promise<OpenAccount> {
    if (this.#closed) throw failures.closed()
    let open = this.#accounts.get(accountId)
    while (!open) {
      await this.#serial.run(accountId, () => this.#load(accountId))
      open = this.#accounts.get(accountId)
    }
    this.#accounts.delete(accountId)
    this.#accounts.set(accountId, open)
    open.handles += 1
    return open
  }

  async #load(accountId: string): Promise<void> {
    if (this.#closed) throw failures.closed()
    if (this.#accounts.has(accountId)) return
    const loaded = await this.#parts.store.loadState(accountId)
    if (!loaded) throw failures.noSuchAccount()
    const account = new Account(this.#parts, loaded)
    this.#accounts.set(accountId, { account, handles: 0, idleSinceMs: this.#parts.clock.monotonicMs() })
    if (this.#accounts.size > this.#settings.accountsInMemoryMax) this.#forget(0)
    this.#planSweep()
  }

  #letGo(open: OpenAccount): void {
    open.handles -= 1
    if (open.handles > 0) return
    open.idleSinceMs = this.#parts.clock.monotonicMs()
    this.#planSweep()
  }

  #planSweep(): void {
    if (this.#closed) return
    this.#sweep ??= this.#parts.clock.setTimer(this.#settings.idleAccountMs, () => {
      this.#sweep = null
      this.#forget(this.#settings.idleAccountMs)
      for (const open of this.#accounts.values()) if (open.handles === 0) return this.#planSweep()
    })
  }

  /** Forgets what has been idle so long, and more where the bounds are passed. */
  #forget(idleMs: number): void {
    const now = this.#parts.clock.monotonicMs()
    let bytes = 0
    for (const { account, handles } of this.#accounts.values()) if (handles === 0) bytes += account.recordBytes
    for (const [accountId, open] of this.#accounts) {
      if (open.handles > 0 || open.account.busy) continue
      const crowded =
        this.#accounts.size > this.#settings.accountsInMemoryMax || bytes > this.#settings.idleRecordBytesMax
      if (!crowded && (idleMs === 0 || now - open.idleSinceMs < idleMs)) continue
      bytes -= open.account.recordBytes
      this.#accounts.delete(accountId)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#sweep?.cancel()
    this.#sweep = null
    await this.#serial.idle()
    await Promise.all([...this.#accounts.values()].map(({ account }) => account.idle()))
    this.#accounts.clear()
  }
}
