// Reading from level: as it is at each call, or as it was at one moment.
import type { Level } from 'level'
import { SkeinError } from '@skein/runtime'

export interface RangeOptions {
  gte: string
  lt: string
  reverse?: boolean
  limit?: number
}

export interface DatabaseReader {
  get(key: string): Promise<Uint8Array | undefined>
  range(options: RangeOptions): AsyncIterable<[string, Uint8Array]>
  /** The values of a range in slices: twice as fast as `range` where the keys are not needed. */
  valuesOf(options: RangeOptions): AsyncIterable<Uint8Array[]>
  /** Keys alone. */
  keysOf(options: RangeOptions): AsyncIterable<string>
  /** Everything whose key starts with `prefix`, in key order. */
  prefix(prefix: string): AsyncIterable<[string, Uint8Array]>
}

export type Snapshot = ReturnType<Level<string, Uint8Array>['snapshot']>

export const readLimits = {
  /** Entries, and bytes, that a range reads ahead. */
  rangeEntriesAtOnce: 1000,
  rangeBytesAtOnce: 1024 * 1024,
} as const

/** The first key that no longer starts with `prefix`. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u{10FFFF}`
}

/** What level says, as an error of ours. */
function readError(cause: unknown): SkeinError {
  if (cause instanceof SkeinError) return cause
  const { code } = cause as { code?: string }
  if (code === 'LEVEL_CORRUPTION') {
    return new SkeinError('record-damaged', 'permanent', 'a part of the database is damaged', cause)
  }
  return new SkeinError('store-busy', 'temporary', 'the database could not be read now', cause)
}

export class LevelReader implements DatabaseReader {
  readonly #level: Level<string, Uint8Array>
  readonly #ready: () => Promise<void> | undefined
  readonly #at: { snapshot: Snapshot } | undefined

  /** @param ready what to wait for before the level can be read, if anything */
  constructor(level: Level<string, Uint8Array>, ready: () => Promise<void> | undefined, snapshot?: Snapshot) {
    this.#level = level
    this.#ready = ready
    this.#at = snapshot && { snapshot }
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const waiting = this.#ready()
    if (waiting) await waiting
    try {
      return await this.#level.get(key, { ...this.#at })
    } catch (cause) {
      throw readError(cause)
    }
  }

  async getMany(keys: string[]): Promise<(Uint8Array | undefined)[]> {
    await this.#ready()
    try {
      return await this.#level.getMany(keys, { ...this.#at })
    } catch (cause) {
      throw readError(cause)
    }
  }

  async *range(options: RangeOptions): AsyncIterable<[string, Uint8Array]> {
    await this.#ready()
    for await (const entries of this.#slices(() => this.#level.iterator(this.#options(options)))) yield* entries
  }

  async *valuesOf(options: RangeOptions): AsyncIterable<Uint8Array[]> {
    await this.#ready()
    yield* this.#slices(() => this.#level.values(this.#options(options)))
  }

  async *keysOf(options: RangeOptions): AsyncIterable<string> {
    await this.#ready()
    const { limit } = options
    const count = limit === undefined ? readLimits.rangeEntriesAtOnce : Math.min(limit, readLimits.rangeEntriesAtOnce)
    for await (const keys of this.#slices(() => this.#level.keys(this.#options(options)), count)) yield* keys
  }

  prefix(prefix: string): AsyncIterable<[string, Uint8Array]> {
    return this.range({ gte: prefix, lt: afterPrefix(prefix) })
  }

  #options(options: RangeOptions): RangeOptions & { highWaterMarkBytes: number; snapshot?: Snapshot } {
    return { ...options, ...this.#at, highWaterMarkBytes: readLimits.rangeBytesAtOnce }
  }

  /** The next slice is read while the caller works on this one. */
  async *#slices<Item>(
    open: () => { nextv(count: number): Promise<Item[]>; close(): Promise<void> },
    count: number = readLimits.rangeEntriesAtOnce,
  ): AsyncIterable<Item[]> {
    const iterator = open()
    let next = iterator.nextv(count)
    try {
      for (;;) {
        const slice = await next
        if (slice.length === 0) return
        next = iterator.nextv(count)
        next.catch(() => {})
        yield slice
      }
    } catch (cause) {
      throw readError(cause)
    } finally {
      await next.catch(() => {})
      await iterator.close()
    }
  }
}
