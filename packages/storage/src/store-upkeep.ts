// What a store needs done now and then while the node runs: room of gone messages given back, delivery ids, journal
// entries and parsed indexes that nobody needs any more removed. Small steps; mail goes on meanwhile.
import { mailboxLimits } from '@skein/mailboxes'
import type { Clock, Logger, Timer } from '@skein/runtime'
import { type DatabaseOp, afterPrefix } from './database.ts'
import { type LiveBlobsComponents, compactMessages, measureLiveBytes } from './live-blobs.ts'
import { decodeNumber, decodeJournalEntry } from './mailbox-records.ts'
import { mailboxKeys } from './mailbox-store.ts'
import { readAccountMessages } from './message-pages.ts'
import type { DiskMessageLog } from './message-log.ts'
import { accountIds } from './store-check.ts'

export const storeUpkeepLimits = {
  compactEveryMs: 3600 * 1000,
  sweepEveryMs: 24 * 3600 * 1000,
  deliveryIdKeepMs: mailboxLimits.deliveryIdKeepMs,
  /** A journal entry is kept for so long … */
  journalKeepMs: 90 * 24 * 3600 * 1000,
  /** … and so many of an account, however old they are. */
  journalKeepEntries: 10_000,
  /** Removed with one write. */
  opsAtOnce: 500,
} as const

export type StoreUpkeepSettings = Partial<Record<keyof typeof storeUpkeepLimits, number>>

export interface StoreUpkeepComponents extends LiveBlobsComponents {
  log: DiskMessageLog
  clock: Clock
  logger: Logger
}

export interface StoreUpkeep {
  /** Does everything once, now. */
  run(): Promise<void>
  /** Does it at its times from now on. */
  start(): void
  /** Waits for the step that is under way. */
  stop(): Promise<void>
}

export interface Swept {
  deliveryIds: number
  journalEntries: number
  infos: number
}

export function createStoreUpkeep(components: StoreUpkeepComponents, settings: StoreUpkeepSettings = {}): StoreUpkeep {
  return new Upkeep(components, { ...storeUpkeepLimits, ...settings })
}

class Upkeep implements StoreUpkeep {
  readonly #parts: StoreUpkeepComponents
  readonly #settings: Record<keyof typeof storeUpkeepLimits, number>
  readonly #timers = new Set<Timer>()
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(components: StoreUpkeepComponents, settings: Record<keyof typeof storeUpkeepLimits, number>) {
    this.#parts = components
    this.#settings = settings
  }

  async run(): Promise<void> {
    await this.#sweep()
    await this.#compact()
  }

  start(): void {
    this.#every(this.#settings.compactEveryMs, () => this.#compact())
    this.#every(this.#settings.sweepEveryMs, () => this.#sweep())
  }

  #every(delayMs: number, step: () => Promise<void>): void {
    const timer = this.#parts.clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      if (this.#stopped) return
      this.#work = this.#work.then(step).catch((error: unknown) => {
        this.#parts.logger.error({ err: error }, 'upkeep of the store failed; it will be tried again')
      })
      void this.#work.then(() => !this.#stopped && this.#every(delayMs, step))
    })
    this.#timers.add(timer)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    await this.#work
  }

  async #compact(): Promise<void> {
    const done = await compactMessages(this.#parts)
    if (done.segments > 0) this.#parts.logger.info({ ...done }, 'message log compacted')
  }

  async #sweep(): Promise<void> {
    const total: Swept = { deliveryIds: 0, journalEntries: 0, infos: 0 }
    for await (const accountId of accountIds(this.#parts.database)) {
      if (this.#stopped) return
      total.deliveryIds += await this.#remove(this.#oldDeliveries(accountId))
      total.journalEntries += await this.#remove(this.#oldEntries(accountId))
      total.infos += await this.#remove(this.#orphanedInfos(accountId))
    }
    // What was let go is counted as it happens; a crash forgets it. This is how it really is.
    this.#parts.log.noteLiveBytes(await measureLiveBytes(this.#parts))
    this.#parts.logger.info({ ...total }, 'store swept')
  }

  async #remove(keys: AsyncIterable<string>): Promise<number> {
    let ops: DatabaseOp[] = []
    let count = 0
    for await (const key of keys) {
      ops.push({ type: 'del', key })
      count += 1
      if (ops.length < this.#settings.opsAtOnce) continue
      await this.#parts.database.write(ops)
      ops = []
    }
    if (ops.length > 0) await this.#parts.database.write(ops)
    return count
  }

  async *#oldDeliveries(accountId: string): AsyncIterable<string> {
    const before = this.#parts.clock.nowMs() - this.#settings.deliveryIdKeepMs
    for await (const [key, value] of this.#parts.database.prefix(mailboxKeys.deliveries(accountId))) {
      if (decodeNumber(value) < before) yield key
    }
  }

  async *#oldEntries(accountId: string): AsyncIterable<string> {
    const { database, clock } = this.#parts
    const before = clock.nowMs() - this.#settings.journalKeepMs
    const prefix = mailboxKeys.journal(accountId)
    let newest = 0
    for await (const key of database.keysOf({ gte: prefix, lt: afterPrefix(prefix), reverse: true, limit: 1 })) {
      newest = Number.parseInt(key.slice(prefix.length), 16)
    }
    const end = newest - this.#settings.journalKeepEntries
    if (end <= 0) return
    // From the oldest on, up to the first that is to stay: no gaps.
    for await (const [key, value] of database.range({ gte: prefix, lt: mailboxKeys.entry(accountId, end + 1) })) {
      if (decodeJournalEntry(value).atMs >= before) return
      yield key
    }
  }

  /** Left by copies that were expunged. One that a message comes to need meanwhile is parsed again when asked for. */
  async *#orphanedInfos(accountId: string): AsyncIterable<string> {
    const { database } = this.#parts
    const infos = mailboxKeys.infos(accountId)
    const orphans = new Set<string>()
    for await (const key of database.keysOf({ gte: infos, lt: afterPrefix(infos) }))
      orphans.add(key.slice(infos.length))
    await database.atOneMoment(async (reader) => {
      for await (const { records } of readAccountMessages(reader, accountId)) {
        for (const { emailId } of records) orphans.delete(emailId)
      }
    })
    for (const emailId of orphans) yield mailboxKeys.info(accountId, emailId)
  }
}
