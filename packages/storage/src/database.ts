// One level database for a node. Promises: a batch is atomic, and durable (fsync) when its promise resolves;
// batches become durable in the order of the calls; those that wait together share one write and one fsync.
// A full disk refuses writes until there is space again; any other failed write stops all writing for good.
import { Level } from 'level'
import { SkeinError } from '@skein/runtime'
import { LevelReader, type DatabaseReader, type RangeOptions } from './database-reader.ts'
import { DiskSpace } from './disk-space.ts'
import { makeDirectory, nodeDisk } from './disk.ts'

export { afterPrefix, type DatabaseReader, type RangeOptions } from './database-reader.ts'

export type DatabaseOp =
  /** A value given as a function is made when it is written, and not at all where a later write replaces it. */
  | { type: 'put'; key: string; value: Uint8Array | (() => Uint8Array) }
  | { type: 'del'; key: string }
  | { type: 'del-range'; gte: string; lt: string }

/**
 * Writes that build on one another (one account's commits). When one of them fails, those that were handed in before
 * its failure was known fail too, instead of becoming durable without what they build on.
 */
export interface WriteChain {
  failure: SkeinError | null
}

export interface DatabaseSettings {
  /** Bytes of one memory table; two may be held. */
  writeBufferBytes?: number
  /** Bytes of the block cache. */
  cacheBytes?: number
  /** How long a lazy write may wait for company. */
  lazyDelayMs?: number
  reserveBytes?: number
}

export const databaseLimits = {
  writeBufferBytes: 16 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
  lazyDelayMs: 1000,
  /** Operations joined in one write at the most: bounds the pause that one write can be. */
  opsPerWriteMax: 4096,
  /** Lazy operations that are held back at the most. */
  lazyOpsMax: 1024,
  /** Writes are refused where less of the disk is free. */
  reserveBytes: 64 * 1024 * 1024,
} as const

interface Waiting {
  ops: readonly DatabaseOp[]
  chain: WriteChain | null
  resolve(): void
  reject(error: unknown): void
}

/** Manifest, log and their directory entries. */
const minimumToOpenBytes = 512 * 1024

function noSpace(cause: unknown): boolean {
  for (let error = cause; error instanceof Error; error = error.cause) {
    if (/no space left|quota exceeded|ENOSPC|EDQUOT/i.test(error.message)) return true
  }
  return false
}

export class Database implements DatabaseReader {
  readonly #level: Level<string, Uint8Array>
  readonly #reader: LevelReader
  readonly #space: DiskSpace
  readonly #settings: Required<DatabaseSettings>
  #waiting: Waiting[] = []
  /** Operations among those that wait which nobody waits for. */
  #lazyOps = 0
  #lazyTimer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null
  /** A write met a full disk: level must be opened anew before the next one. Reading goes on. */
  #torn = false
  /** Set while level is opened anew: everybody waits for it. */
  #reopening: Promise<void> | null = null
  /** Level is closed, and could not be opened again yet. */
  #down = false
  #failure: SkeinError | null = null
  #closed = false

  private constructor(directory: string, level: Level<string, Uint8Array>, settings: Required<DatabaseSettings>) {
    this.#level = level
    this.#settings = settings
    this.#space = new DiskSpace(directory, settings.reserveBytes)
    this.#reader = new LevelReader(level, () => (this.isOpen ? undefined : this.#available()))
  }

  /** @throws SkeinError `store-locked` when another process has it, `store-damaged` when it can't be opened. */
  static async open(directory: string, settings: DatabaseSettings = {}): Promise<Database> {
    const all = {
      writeBufferBytes: settings.writeBufferBytes ?? databaseLimits.writeBufferBytes,
      cacheBytes: settings.cacheBytes ?? databaseLimits.cacheBytes,
      lazyDelayMs: settings.lazyDelayMs ?? databaseLimits.lazyDelayMs,
      reserveBytes: settings.reserveBytes ?? databaseLimits.reserveBytes,
    }
    const level = new Level<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      // Buffers come out of the native side as they are; the 'view' encoding would wrap each once more.
      valueEncoding: 'buffer',
      writeBufferSize: all.writeBufferBytes,
      cacheSize: all.cacheBytes,
    })
    try {
      await makeDirectory(nodeDisk, directory)
      await level.open()
    } catch (cause) {
      const code = (cause as { cause?: { code?: string } }).cause?.code
      if (code === 'LEVEL_LOCKED') {
        throw new SkeinError('store-locked', 'refused', 'another process is using this data directory', cause)
      }
      if (noSpace(cause)) throw new SkeinError('disk-full', 'temporary', 'the disk is full', cause)
      throw new SkeinError('store-damaged', 'permanent', `the database in ${directory} can't be opened`, cause)
    }
    return new Database(directory, level, all)
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#reader.get(key)
  }

  /** False for a moment after a full disk: then `getSync` throws, and the others wait. */
  get isOpen(): boolean {
    return !this.#reopening && !this.#down
  }

  /** Blocks for some microseconds: for single look-ups on hot paths. @throws SkeinError `store-busy` */
  getSync(key: string): Uint8Array | undefined {
    if (!this.isOpen) throw new SkeinError('store-busy', 'temporary', 'the database is not open now')
    return this.#level.getSync(key)
  }

  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reader.getMany(keys)
  }

  range(options: RangeOptions): AsyncIterable<[string, Uint8Array]> {
    return this.#reader.range(options)
  }

  valuesOf(options: RangeOptions): AsyncIterable<Uint8Array[]> {
    return this.#reader.valuesOf(options)
  }

  keysOf(options: RangeOptions): AsyncIterable<string> {
    return this.#reader.keysOf(options)
  }

  prefix(prefix: string): AsyncIterable<[string, Uint8Array]> {
    return this.#reader.prefix(prefix)
  }

  /** Runs `task` with the database as it is now, whatever is written meanwhile. */
  async atOneMoment<Result>(task: (reader: DatabaseReader) => Promise<Result>): Promise<Result> {
    if (!this.isOpen) await this.#available()
    const snapshot = this.#level.snapshot()
    try {
      return await task(new LevelReader(this.#level, () => undefined, snapshot))
    } finally {
      await snapshot.close()
    }
  }

  /**
   * Atomic and durable when it resolves.
   * @throws SkeinError `disk-full` or `store-busy` (nothing was acknowledged; works again when there is space),
   *   `store-failed` (the disk failed: no more writes until the node starts again), or the failure of `chain`.
   */
  write(ops: readonly DatabaseOp[], chain: WriteChain | null = null): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new SkeinError('store-closed', 'temporary', 'the database is closed'))
      this.#waiting.push({ ops, chain, resolve, reject })
      this.#startWriting()
    })
  }

  /**
   * Goes along with the next durable write, or on its own a moment later; may be lost in a crash before that.
   * Keeps its place among the writes: what is handed in later wins.
   */
  writeLazily(ops: readonly DatabaseOp[]): void {
    if (this.#closed) return
    this.#waiting.push({ ops, chain: null, resolve() {}, reject() {} })
    this.#lazyOps += ops.length
    if (this.#lazyOps >= databaseLimits.lazyOpsMax) this.#startWriting()
    else this.#lazyTimer ??= setTimeout(() => this.#startWriting(), this.#settings.lazyDelayMs).unref()
  }

  #startWriting(): void {
    this.#writing ??= this.#drain()
  }

  async #drain(): Promise<void> {
    // A turn of the event loop lets callers that are ready now come along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (this.#lazyTimer) clearTimeout(this.#lazyTimer)
    this.#lazyTimer = null
    this.#lazyOps = 0
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      if (group.length === 0) continue
      try {
        await this.#writeOrRetry(group)
        for (const entry of group) entry.resolve()
      } catch (cause) {
        this.#fail(group, cause)
      }
    }
    this.#writing = null
  }

  #takeGroup(): Waiting[] {
    const group: Waiting[] = []
    let count = 0
    let taken = 0
    for (const next of this.#waiting) {
      if (count >= databaseLimits.opsPerWriteMax) break
      taken += 1
      if (next.chain?.failure) {
        next.reject(next.chain.failure)
        continue
      }
      group.push(next)
      count += next.ops.length
    }
    this.#waiting.splice(0, taken)
    return group
  }

  /**
   * Level goes on refusing after its own tidying met a full disk, though there is room again: opened anew, it takes the
   * batch. Trying twice is harmless, a batch says what the values are and not how they change.
   */
  async #writeOrRetry(group: readonly Waiting[]): Promise<void> {
    await this.writable()
    try {
      await this.#writeGroup(group)
    } catch (cause) {
      if (!noSpace(cause)) throw cause
      this.#torn = true
      await this.writable()
      await this.#writeGroup(group)
    }
  }

  /** One batch for all; of several writes to one key (counters above all) only the last goes to the disk. */
  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const last = new Map<string, Uint8Array | (() => Uint8Array) | null>()
    for (const { ops } of group) {
      for (const op of ops) {
        if (op.type === 'del-range') await this.#expand(op, last)
        else last.set(op.key, op.type === 'put' ? op.value : null)
      }
    }
    if (last.size === 0) return
    // A chained batch costs the main thread less than half of what an array of operations does.
    const batch = this.#level.batch()
    for (const [key, value] of last) {
      if (value === null) batch.del(key)
      else batch.put(key, typeof value === 'function' ? value() : value)
    }
    await batch.write({ sync: true })
  }

  async #expand(op: { gte: string; lt: string }, last: Map<string, unknown>): Promise<void> {
    for (const key of last.keys()) if (key >= op.gte && key < op.lt) last.set(key, null)
    for await (const key of this.#level.keys({ gte: op.gte, lt: op.lt })) last.set(key, null)
  }

  #fail(group: readonly Waiting[], cause: unknown): void {
    const error = this.#errorOf(cause)
    for (const entry of group) {
      if (entry.chain) entry.chain.failure ??= error
    }
    for (const entry of group) entry.reject(error)
  }

  #errorOf(cause: unknown): SkeinError {
    if (cause instanceof SkeinError) return cause
    if (noSpace(cause)) {
      // The log file of level may hold half a record now, behind which others could be lost: a fresh one comes only
      // with opening anew, and what was written so far is synced by that.
      this.#torn = true
      return new SkeinError('disk-full', 'temporary', 'the disk is full', cause)
    }
    // fsync that failed once may "succeed" the next time with the data gone: only a restart reads what is really there.
    this.#failure = new SkeinError('store-failed', 'temporary', 'the disk of this server failed', cause)
    return this.#failure
  }

  /**
   * Resolves when a write may be tried. After a full disk level is opened anew for that, where there is room again.
   * @throws SkeinError `store-failed`, `disk-full`
   */
  async writable(): Promise<void> {
    if (this.#failure) throw this.#failure
    await this.#space.check()
    if (this.isOpen && !this.#torn) return
    if (this.#torn && !this.#reopening) {
      // Opening writes what the memory table holds; without room for it nobody could even read any more.
      const needed = 2 * this.#settings.writeBufferBytes + minimumToOpenBytes
      if ((await this.#space.free()) < needed) throw new SkeinError('disk-full', 'temporary', 'the disk is full')
      await this.#reopen()
    }
    await this.#available()
  }

  /** Resolves when level is open. @throws SkeinError `disk-full` */
  async #available(): Promise<void> {
    if (this.#reopening) await this.#reopening
    if (!this.#down) return
    await this.#reopen()
    if (this.#down) throw new SkeinError('disk-full', 'temporary', 'the disk is full: the database is closed for now')
  }

  #reopen(): Promise<void> {
    this.#reopening ??= (async () => {
      this.#down = true
      try {
        await this.#level.close()
        await this.#level.open()
        this.#down = false
        this.#torn = false
      } catch {
        // No space after all. The next use tries again.
      }
      this.#reopening = null
    })()
    return this.#reopening
  }

  /** Writes what waits, then closes. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#waiting.length > 0) this.#startWriting()
    while (this.#writing) await this.#writing
    await this.#reopening
    await this.#level.close()
  }
}
