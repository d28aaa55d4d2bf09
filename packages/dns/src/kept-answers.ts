// Answers that are good for a while, and the questions under way for which others wait too.
import type { Clock } from '@skein/runtime'
import type { DnsLimits } from './limits.ts'

export interface Keepable {
  keepMs: number
  bytes: number
}

interface Kept<Value> {
  value: Value
  bytes: number
  untilMs: number
}

export class KeptAnswers<Value extends Keepable> {
  readonly #clock: Clock
  readonly #limits: DnsLimits
  /** The longest unused one first. */
  readonly #kept = new Map<string, Kept<Value>>()
  readonly #asking = new Map<string, Promise<Value>>()
  #bytes = 0

  constructor(clock: Clock, limits: DnsLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** What is kept under `key`, or what `ask` gives: it is called once for all who want it now. */
  async get(key: string, ask: () => Promise<Value>): Promise<Value> {
    const kept = this.#kept.get(key)
    if (kept && kept.untilMs > this.#clock.monotonicMs()) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return kept.value
    }
    const underWay = this.#asking.get(key)
    if (underWay) return underWay
    const asking = ask()
    this.#asking.set(key, asking)
    try {
      const value = await asking
      this.#keep(key, value)
      return value
    } finally {
      this.#asking.delete(key)
    }
  }

  #keep(key: string, value: Value): void {
    this.#drop(key)
    if (value.keepMs <= 0) return
    const bytes = value.bytes + key.length
    this.#kept.set(key, { value, bytes, untilMs: this.#clock.monotonicMs() + value.keepMs })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#limits.keptMax && this.#bytes <= this.#limits.keptBytesMax) break
      this.#drop(oldest)
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}
