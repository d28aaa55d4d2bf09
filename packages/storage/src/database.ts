// One level database for a node. Promises: a batch is atomic, and durable (fsync) when its promise resolves;
// batches become durable in the order of the calls; those that wait together share one write and one fsync.
import { Level } from 'level'
import { SkeinError } from '@skein/runtime'

export type DatabaseOp =
  | { type: 'put'; key: string; value: Uint8Array }
  | { type: 'del'; key: string }
  | { type: 'del-range'; gte: string; lt: string }

type LevelOp = { type: 'put'; key: string; value: Uint8Array } | { type: 'del'; key: string }

interface Waiting {
  ops: DatabaseOp[]
  resolve(): void
  reject(error: unknown): void
}

/** Operations joined in one write at the most: bounds the pause that one write can be. */
const opsPerWriteMax = 4096

/** The first key that no longer starts with `prefix`. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u{10FFFF}`
}

export class Database {
  readonly #level: Level<string, Uint8Array>
  #waiting: Waiting[] = []
  #lazy: DatabaseOp[] = []
  #writing: Promise<void> | null = null

  private constructor(level: Level<string, Uint8Array>) {
    this.#level = level
  }

  /** @throws SkeinError `store-locked` when another process has it, `store-damaged` when it can't be opened. */
  static async open(directory: string): Promise<Database> {
    const level = new Level<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      writeBufferSize: 16 * 1024 * 1024,
      cacheSize: 32 * 1024 * 1024,
    })
    try {
      await level.open()
    } catch (cause) {
      const code = (cause as { cause?: { code?: string } }).cause?.code
      if (code === 'LEVEL_LOCKED') {
        throw new SkeinError('store-locked', 'refused', 'another process is using this data directory', cause)
      }
      throw new SkeinError('store-damaged', 'permanent', `the database in ${directory} can't be opened`, cause)
    }
    return new Database(level)
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#level.get(key)
  }

  /** Blocks for some microseconds: for single look-ups on hot paths. */
  getSync(key: string): Uint8Array | undefined {
    return this.#level.getSync(key)
  }

  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#level.getMany(keys)
  }

  async *range(options: {
    gte: string
    lt: string
    reverse?: boolean
    limit?: number
  }): AsyncIterable<[string, Uint8Array]> {
    const iterator = this.#level.iterator({ ...options, highWaterMarkBytes: 256 * 1024 })
    try {
      for (;;) {
        const entries = await iterator.nextv(1000)
        if (entries.length === 0) return
        yield* entries
      }
    } finally {
      await iterator.close()
    }
  }

  /** Everything whose key starts with `prefix`, in key order. */
  prefix(prefix: string): AsyncIterable<[string, Uint8Array]> {
    return this.range({ gte: prefix, lt: afterPrefix(prefix) })
  }

  /** Atomic and durable when it resolves. */
  write(ops: DatabaseOp[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ops, resolve, reject })
      this.#writing ??= this.#drain()
    })
  }

  /** Goes along with the next durable write, or on its own a moment later; may be lost in a crash before that. */
  writeLazily(ops: DatabaseOp[]): void {
    this.#lazy.push(...ops)
    if (this.#lazy.length >= 1024) void this.write([]).catch(() => {})
  }

  async #drain(): Promise<void> {
    // A turn of the event loop lets callers that are ready now come along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group: Waiting[] = []
      let count = 0
      while (this.#waiting.length > 0 && count < opsPerWriteMax) {
        const next = this.#waiting.shift() as Waiting
        group.push(next)
        count += next.ops.length
      }
      const lazy = this.#lazy
      this.#lazy = []
      try {
        const ops: LevelOp[] = []
        for (const op of lazy) await this.#expand(op, ops)
        for (const entry of group) for (const op of entry.ops) await this.#expand(op, ops)
        await this.#level.batch(ops, { sync: true })
        for (const entry of group) entry.resolve()
      } catch (cause) {
        const error = new SkeinError('store-write-failed', 'temporary', 'the database could not be written', cause)
        for (const entry of group) entry.reject(error)
      }
    }
    this.#writing = null
  }

  async #expand(op: DatabaseOp, into: LevelOp[]): Promise<void> {
    if (op.type !== 'del-range') {
      into.push(op)
      return
    }
    for await (const key of this.#level.keys({ gte: op.gte, lt: op.lt })) into.push({ type: 'del', key })
  }

  /** Writes what waits, then closes. */
  async close(): Promise<void> {
    if (this.#lazy.length > 0) await this.write([])
    while (this.#writing) await this.#writing
    await this.#level.close()
  }
}
