// Growing delays for wrong passwords, by remote address and by account (SE-03, SE-13). Bounded memory.
import type { Clock } from '@skein/runtime'
import { accountLimits } from './limits.ts'

interface Failures {
  count: number
  lastMs: number
  blockedUntilMs: number
}

export class LoginThrottle {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failures>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds that this key must still wait; 0 when it may try. */
  waitMs(key: string): number {
    const entry = this.#failures.get(key)
    return entry ? Math.max(0, entry.blockedUntilMs - this.#clock.nowMs()) : 0
  }

  /** @param free failures that cost nothing yet; @returns whether this one cost something */
  failed(key: string, free: number): boolean {
    const now = this.#clock.nowMs()
    const before = this.#failures.get(key)
    const count = before && now - before.lastMs < accountLimits.loginFailureKeepMs ? before.count + 1 : 1
    const over = count - free
    const delayMs =
      over > 0 ? Math.min(accountLimits.loginDelayMaxMs, accountLimits.loginDelayFirstMs * 2 ** (over - 1)) : 0
    // Deleting first keeps the map in order of last use, so that the oldest can go when it is full.
    this.#failures.delete(key)
    this.#failures.set(key, { count, lastMs: now, blockedUntilMs: now + delayMs })
    if (this.#failures.size > accountLimits.loginFailureKeysMax) {
      const oldest = this.#failures.keys().next()
      if (!oldest.done) this.#failures.delete(oldest.value)
    }
    return over > 0
  }

  succeeded(key: string): void {
    this.#failures.delete(key)
  }
}
