// Whether somebody who does not answer is still asked: after some failures in a row not, for a while.
import type { Clock } from '@skein/runtime'

export interface PatienceLimits {
  silentAfterFailures: number
  silentForMs: number
}

export class Patience {
  readonly #clock: Clock
  readonly #limits: PatienceLimits
  #failures = 0
  #silentUntilMs = 0

  constructor(clock: Clock, limits: PatienceLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() < this.#silentUntilMs
  }

  answered(): void {
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
    if (this.#failures < this.#limits.silentAfterFailures) return
    this.#failures = 0
    this.#silentUntilMs = this.#clock.monotonicMs() + this.#limits.silentForMs
  }
}
