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
  /** Asked for since it came, or since it was spared. */
  isUsed: boolean
}

export class KeptAnswers<Value extends Keepable> {
  readonly #clock: Clock
  readonly #limits: DnsLimits
  /** The oldest first; one that was used is spared once. Moving each at every use would cost more than the look-up. */
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
      kept.isUsed = true
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
    const nowMs = this.#clock.monotonicMs()
    this.#kept.set(key, { value, bytes, untilMs: nowMs + value.keepMs, isUsed: false })
    this.#bytes += bytes
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= this.#limits.keptMax && this.#bytes <= this.#limits.keptBytesMax) break
      this.#kept.delete(oldest)
      if (kept.isUsed && kept.untilMs > nowMs) this.#kept.set(oldest, { ...kept, isUsed: false })
      else this.#bytes -= kept.bytes
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}
