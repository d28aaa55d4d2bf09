// Those who guess are answered later and later. Costs this node a timer each, and only so many at once.
import type { Clock, Timer } from '@skein/runtime'
import type { DoorLimits } from './limits.ts'

export class Tarpit {
  readonly #clock: Clock
  readonly #limits: DoorLimits
  #waiting = 0
  #entered = 0

  constructor(clock: Clock, limits: DoorLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Sessions that wait now, and how often one had to. */
  get stats(): { waiting: number; entered: number } {
    return { waiting: this.#waiting, entered: this.#entered }
  }

  /** @param step 1 for the first delay; each further one is twice as long. */
  delayMs(step: number): number {
    return Math.min(this.#limits.tarpitMaxMs, this.#limits.tarpitFirstMs * 2 ** Math.min(30, step - 1))
  }

  /** Undefined where it is full. */
  enter(delayMs: number): { over: Promise<void>; leave(): void } | undefined {
    if (this.#waiting >= this.#limits.tarpitSessionsMax) return undefined
    this.#waiting += 1
    this.#entered += 1
    let timer: Timer | undefined
    let end: (() => void) | undefined
    const over = new Promise<void>((resolve) => {
      end = () => {
        if (!end) return
        end = undefined
        timer?.cancel()
        this.#waiting -= 1
        resolve()
      }
      timer = this.#clock.setTimer(delayMs, end)
    })
    return { over, leave: () => end?.() }
  }
}
