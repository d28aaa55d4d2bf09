// Hybrid logical time: microseconds since the epoch that never go backwards here and never fall behind what was seen.
// A whole number below 2^53 until the year 2255.
import type { Clock } from '@skein/runtime'

export class HybridClock {
  readonly #clock: Clock
  readonly #aheadMsMax: number
  #last = 0

  constructor(clock: Clock, aheadMsMax: number) {
    this.#clock = clock
    this.#aheadMsMax = aheadMsMax
  }

  /** Greater than every time given or seen before. */
  next(): number {
    this.#last = Math.max(this.#clock.nowMs() * 1000, this.#last + 1)
    return this.#last
  }

  /** Follows another node's time, unless its clock is absurdly ahead. */
  see(time: number): void {
    if (time > this.#last && time <= (this.#clock.nowMs() + this.#aheadMsMax) * 1000) this.#last = time
  }
}
