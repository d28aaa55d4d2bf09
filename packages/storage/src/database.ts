// One level database for a node. Promises: a batch is atomic, and durable (fsync) when its promise resolves;
// batches become durable in the order of the calls; those that wait together share one write and one fsync.
// A full disk refuses writes until there is space again; any other failed write stops all writing for good.
import { Level } from 'level'
import { SkeinError } from '@skein/runtime'
import { makeDirectory, nodeDisk } from './disk.ts'

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
}

export const databaseLimits = {
  writeBufferBytes: 16 * 1024 * 1024,
  cacheBytes: 32 * 1024 * 1024,
  lazyDelayMs: 1000,
  /** Operations joined in one write at the most: bounds the pause that one write can be. */
  opsPerWriteMax: 4096,
  /** Lazy operations that are held back at the most. */
  lazyOpsMax: 1024,
  /** Entries, and bytes, that a range reads ahead. */
  rangeEntriesAtOnce: 1000,
  rangeBytesAtOnce: 1024 * 1024,
} as const

interface Waiting {
  ops: readonly DatabaseOp[]
  chain: WriteChain | null
  resolve(): void
  reject(error: unknown): void
}

export interface RangeOptions {
  gte: string
  lt: string
  reverse?: boolean
  limit?: number
}

/** Reading: the database as it is at each call, or one moment of it. */
export interface DatabaseReader {
  get(key: string): Promise<Uint8Array | undefined>
  range(options: RangeOptions): AsyncIterable<[string, Uint8Array]>
  valuesOf(options: RangeOptions): AsyncIterable<Uint8Array[]>
  keysOf(options: RangeOptions): AsyncIterable<string>
  prefix(prefix: string): AsyncIterable<[string, Uint8Array]>
}

type LevelSnapshot = ReturnType<Level<string, Uint8Array>['snapshot']>

/** The first key that no longer starts with `prefix`. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u{10FFFF}`
}

function noSpace(cause: unknown): boolean {
  for (let error = cause; error instanceof Error; error = error.cause) {
    if (/no space left|quota exceeded|ENOSPC|EDQUOT/i.test(error.message)) return true
  }
  return false
}

const readAhead = { highWaterMarkBytes: databaseLimits.rangeBytesAtOnce }

export class Database implements DatabaseReader {
  readonly #level: Level<string, Uint8Array>
  readonly #lazyDelayMs: number
  #waiting: Waiting[] = []
  /** Operations among those that wait which nobody waits for. */
  #lazyOps = 0
  #lazyTimer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null
  /** Set while the level is closed after a full disk: everybody waits for it. */
  #reopening: Promise<void> | null = null
  /** The level is closed, and could not be opened again yet. */
  #down = false
  #failure: SkeinError | null = null
  #closed = false

  private constructor(level: Level<string, Uint8Array>, lazyDelayMs: number) {
    this.#level = level
    this.#lazyDelayMs = lazyDelayMs
  }

  /** @throws SkeinError `store-locked` when another process has it, `store-damaged` when it can't be opened. */
  static async open(directory: string, settings: DatabaseSettings = {}): Promise<Database> {
    const level = new Level<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      // Buffers come out of the native side as they are; the 'view' encoding would wrap each once more.
      valueEncoding: 'buffer',
      writeBufferSize: settings.writeBufferBytes ?? databaseLimits.writeBufferBytes,
      cacheSize: settings.cacheBytes ?? databaseLimits.cacheBytes,
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
    return new Database(level, settings.lazyDelayMs ?? databaseLimits.lazyDelayMs)
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    if (this.#reopening || this.#down) await this.#available()
    return this.#level.get(key)
  }

  /** Blocks for some microseconds: for single look-ups on hot paths. */
  getSync(key: string): Uint8Array | undefined {
    if (this.#reopening || this.#down) throw new SkeinError('store-busy', 'temporary', 'the database is not open now')
    return this.#level.getSync(key)
  }

  async getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    if (this.#reopening || this.#down) await this.#available()
    return this.#level.getMany(keys)
  }

  range(options: RangeOptions): AsyncIterable<[string, Uint8Array]> {
    return this.#entries(options)
  }

  /** The values of a range in slices: twice as fast as `range` where the keys are not needed. */
  valuesOf(options: RangeOptions): AsyncIterable<Uint8Array[]> {
    return this.#values(options)
  }

  /** Keys alone. */
  keysOf(options: RangeOptions): AsyncIterable<string> {
    return this.#keys(options)
  }

  /** Everything whose key starts with `prefix`, in key order. */
  prefix(prefix: string): AsyncIterable<[string, Uint8Array]> {
    return this.#entries({ gte: prefix, lt: afterPrefix(prefix) })
  }

  /** Runs `task` with the database as it is now, whatever is written meanwhile. */
  async atOneMoment<Result>(task: (reader: DatabaseReader) => Promise<Result>): Promise<Result> {
    if (this.#reopening || this.#down) await this.#available()
    const snapshot = this.#level.snapshot()
    try {
      return await task({
        get: (key) => this.#level.get(key, { snapshot }),
        range: (options) => this.#entries(options, snapshot),
        valuesOf: (options) => this.#values(options, snapshot),
        keysOf: (options) => this.#keys(options, snapshot),
        prefix: (prefix) => this.#entries({ gte: prefix, lt: afterPrefix(prefix) }, snapshot),
      })
    } finally {
      await snapshot.close()
    }
  }

  async *#entries(options: RangeOptions, snapshot?: LevelSnapshot): AsyncIterable<[string, Uint8Array]> {
    if (this.#reopening || this.#down) await this.#available()
    const iterator = this.#level.iterator({ ...options, ...readAhead, ...(snapshot && { snapshot }) })
    try {
      for (;;) {
        const entries = await iterator.nextv(databaseLimits.rangeEntriesAtOnce)
        if (entries.length === 0) return
        yield* entries
      }
    } finally {
      await iterator.close()
    }
  }

  async *#values(options: RangeOptions, snapshot?: LevelSnapshot): AsyncIterable<Uint8Array[]> {
    if (this.#reopening || this.#down) await this.#available()
    const iterator = this.#level.values({ ...options, ...readAhead, ...(snapshot && { snapshot }) })
    // The next slice is read while the caller works on this one.
    let next = iterator.nextv(databaseLimits.rangeEntriesAtOnce)
    try {
      for (;;) {
        const values = await next
        if (values.length === 0) return
        next = iterator.nextv(databaseLimits.rangeEntriesAtOnce)
        next.catch(() => {})
        yield values
      }
    } finally {
      await next.catch(() => {})
      await iterator.close()
    }
  }

  async *#keys(options: RangeOptions, snapshot?: LevelSnapshot): AsyncIterable<string> {
    if (this.#reopening || this.#down) await this.#available()
    const iterator = this.#level.keys({ ...options, ...(snapshot && { snapshot }) })
    try {
      for await (const key of iterator) yield key
    } finally {
      await iterator.close()
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
    else this.#lazyTimer ??= setTimeout(() => this.#startWriting(), this.#lazyDelayMs).unref()
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
        await this.#available()
        await this.#writeGroup(group)
        for (const entry of group) entry.resolve()
      } catch (cause) {
        await this.#fail(group, cause)
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

  async #fail(group: readonly Waiting[], cause: unknown): Promise<void> {
    const error = this.#errorOf(cause)
    for (const entry of group) {
      if (entry.chain) entry.chain.failure ??= error
    }
    // After a failed write the log file of level may hold half a record, behind which others could be lost:
    // a fresh log file comes only with opening anew, and what was written so far is synced by that.
    if (!this.#down && !this.#failure) await this.#reopen()
    for (const entry of group) entry.reject(error)
  }

  #errorOf(cause: unknown): SkeinError {
    if (cause instanceof SkeinError) return cause
    if (noSpace(cause)) return new SkeinError('disk-full', 'temporary', 'the disk is full', cause)
    // fsync that failed once may "succeed" the next time with the data gone: only a restart reads what is really there.
    this.#failure = new SkeinError('store-failed', 'temporary', 'the disk of this server failed', cause)
    return this.#failure
  }

  #reopen(): Promise<void> {
    this.#reopening ??= (async () => {
      this.#down = true
      try {
        await this.#level.close()
        await this.#level.open()
        this.#down = false
      } catch {
        // Still no space. The next use tries again.
      }
      this.#reopening = null
    })()
    return this.#reopening
  }

  /** Resolves when the level is open. @throws SkeinError `store-failed`, `disk-full`. */
  async #available(): Promise<void> {
    if (this.#failure) throw this.#failure
    if (this.#reopening) await this.#reopening
    if (!this.#down) return
    await this.#reopen()
    if (this.#down) throw new SkeinError('disk-full', 'temporary', 'the disk is full: the database is closed for now')
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
