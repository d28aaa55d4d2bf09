// Growing delays for wrong passwords, by remote address and by account (SE-03, SE-13). Bounded memory.
// Promises: guesses sent at once count as guesses sent one after the other: no more are under way than may still fail.
import { type Clock, clientKey } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { LoginOutcome } from './ports.ts'

interface Failures {
  count: number
  lastMs: number
  blockedUntilMs: number
}

interface UnderWay {
  count: number
  waiting: (() => void)[]
}

type Throttled = Extract<LoginOutcome, { kind: 'throttled' }>

const crowdedRetryMs = 1_000

export class LoginThrottle {
  readonly #clock: Clock
  readonly #failures = new Map<string, Failures>()
  readonly #underWay = new Map<string, UnderWay>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Why this client may not try this name now, if so. */
  obstacle(name: string, remoteAddress: string): Throttled | undefined {
    const [nameKey, addressKey] = keysOf(name, remoteAddress)
    const retryAfterMs = Math.max(this.#waitMs(addressKey), this.#waitMs(nameKey))
    return retryAfterMs > 0 ? { kind: 'throttled', retryAfterMs } : undefined
  }

  /** Runs one attempt when it may be made, and counts how it ended. */
  async run<Result extends LoginOutcome>(
    name: string,
    remoteAddress: string,
    attempt: () => Promise<Result>,
  ): Promise<Result | Throttled> {
    const [nameKey, addressKey] = keysOf(name, remoteAddress)
    for (;;) {
      const obstacle = this.obstacle(name, remoteAddress)
      if (obstacle) return obstacle
      const crowded = this.#crowded(nameKey, accountLimits.loginFailuresFree)
        ? nameKey
        : this.#crowded(addressKey, accountLimits.loginFailuresPerAddressFree)
          ? addressKey
          : undefined
      if (crowded === undefined) break
      const waiting = this.#underWay.get(crowded)?.waiting ?? []
      if (waiting.length >= accountLimits.loginsWaitingPerKeyMax) {
        return { kind: 'throttled', retryAfterMs: crowdedRetryMs }
      }
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
    this.#enter(nameKey)
    this.#enter(addressKey)
    try {
      const outcome = await attempt()
      this.#count(outcome, nameKey, addressKey)
      return outcome
    } finally {
      this.#leave(nameKey)
      this.#leave(addressKey)
    }
  }

  #count(outcome: LoginOutcome, nameKey: string, addressKey: string): void {
    if (outcome.kind === 'refused') {
      // Once a name has its own delays here it says nothing new of the address: a forgotten telephone that keeps trying
      // must not, in a night, shut out an office.
      const hasOwnDelay = this.#failed(nameKey, accountLimits.loginFailuresFree)
      if (!hasOwnDelay) this.#failed(addressKey, accountLimits.loginFailuresPerAddressFree)
    } else if (outcome.kind === 'ok' || outcome.kind === 'elsewhere') {
      this.#failures.delete(addressKey)
      this.#failures.delete(nameKey)
    }
  }

  /** Milliseconds that this key must still wait; 0 when it may try. */
  #waitMs(key: string): number {
    const entry = this.#failures.get(key)
    return entry ? Math.max(0, entry.blockedUntilMs - this.#clock.nowMs()) : 0
  }

  /** Whether the attempts under way could use up all that may still fail, one always being let through. */
  #crowded(key: string, free: number): boolean {
    const underWay = this.#underWay.get(key)?.count ?? 0
    return underWay > 0 && underWay >= free - (this.#recent(key)?.count ?? 0)
  }

  #recent(key: string): Failures | undefined {
    const entry = this.#failures.get(key)
    return entry && this.#clock.nowMs() - entry.lastMs < accountLimits.loginFailureKeepMs ? entry : undefined
  }

  #enter(key: string): void {
    const entry = this.#underWay.get(key)
    if (entry) entry.count += 1
    else this.#underWay.set(key, { count: 1, waiting: [] })
  }

  #leave(key: string): void {
    const entry = this.#underWay.get(key)
    if (!entry) return
    entry.count -= 1
    if (entry.count === 0) this.#underWay.delete(key)
    for (const wake of entry.waiting.splice(0)) wake()
  }

  /** @param free failures that cost nothing yet; @returns whether this one cost something */
  #failed(key: string, free: number): boolean {
    const now = this.#clock.nowMs()
    const count = (this.#recent(key)?.count ?? 0) + 1
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
}

/** By the name from this client, and by the client. An IPv6 client has a whole /64 to come from. */
function keysOf(name: string, remoteAddress: string): [string, string] {
  const client = clientKey(remoteAddress)
  return [`${name} from ${client}`, `address ${client}`]
}
