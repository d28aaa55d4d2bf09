// Growing delays for wrong passwords, by remote address and by account (SE-03, SE-13). Bounded memory.
// What other nodes have seen counts here too, each node's own delays being the least that holds.
// Promises: guesses sent at once count as guesses sent one after the other: no more are under way than may still fail.
import { type Clock, clientKey } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { LoginFailures, LoginOutcome, SharedLoginFailures } from './ports.ts'

interface UnderWay {
  count: number
  waiting: (() => void)[]
}

type Throttled = Extract<LoginOutcome, { kind: 'throttled' }>

const crowdedRetryMs = 1_000
/** Before keys of clients of whom other nodes know nothing. */
const hereOnly = 'here '

export class LoginThrottle {
  readonly #clock: Clock
  readonly #shared: SharedLoginFailures | undefined
  readonly #failures = new Map<string, LoginFailures>()
  readonly #underWay = new Map<string, UnderWay>()

  constructor(clock: Clock, shared?: SharedLoginFailures) {
    this.#clock = clock
    this.#shared = shared
  }

  /** Why this client may not try this name now, if so. */
  obstacle(name: string, remoteAddress: string): Throttled | undefined {
    const [nameKey, addressKey] = this.#keysOf(name, remoteAddress)
    const retryAfterMs = Math.max(this.#waitMs(addressKey), this.#waitMs(nameKey))
    return retryAfterMs > 0 ? { kind: 'throttled', retryAfterMs } : undefined
  }

  /** Runs one attempt when it may be made, and counts how it ended. */
  async run<Result extends LoginOutcome>(
    name: string,
    remoteAddress: string,
    attempt: () => Promise<Result>,
  ): Promise<Result | Throttled> {
    const [nameKey, addressKey] = this.#keysOf(name, remoteAddress)
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
      this.#forgive(addressKey)
      this.#forgive(nameKey)
    }
  }

  /** Milliseconds that this key must still wait; 0 when it may try. */
  #waitMs(key: string): number {
    const untilMs = Math.max(
      this.#failures.get(key)?.blockedUntilMs ?? 0,
      // Nobody else's word holds longer than this node's own would.
      Math.min(this.#others(key)?.blockedUntilMs ?? 0, this.#clock.nowMs() + accountLimits.loginDelayMaxMs),
    )
    return Math.max(0, untilMs - this.#clock.nowMs())
  }

  #others(key: string): LoginFailures | undefined {
    return key.startsWith(hereOnly) ? undefined : this.#shared?.of(key)
  }

  #forgive(key: string): void {
    if (this.#failures.delete(key) && !key.startsWith(hereOnly)) this.#shared?.tell(key, null)
  }

  /** Whether the attempts under way could use up all that may still fail, one always being let through. */
  #crowded(key: string, free: number): boolean {
    const underWay = this.#underWay.get(key)?.count ?? 0
    return underWay > 0 && underWay >= free - this.#recentCount(key)
  }

  #recentCount(key: string): number {
    const counts = [this.#failures.get(key), this.#others(key)].map((entry) =>
      entry && this.#clock.nowMs() - entry.lastMs < accountLimits.loginFailureKeepMs ? entry.count : 0,
    )
    return Math.max(...counts)
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
    const count = this.#recentCount(key) + 1
    const over = count - free
    const delayMs =
      over > 0 ? Math.min(accountLimits.loginDelayMaxMs, accountLimits.loginDelayFirstMs * 2 ** (over - 1)) : 0
    // Deleting first keeps the map in order of last use, so that the oldest can go when it is full.
    this.#failures.delete(key)
    const failures = { count, lastMs: now, blockedUntilMs: now + delayMs }
    this.#failures.set(key, failures)
    if (!key.startsWith(hereOnly)) this.#shared?.tell(key, failures)
    if (this.#failures.size > accountLimits.loginFailureKeysMax) {
      const oldest = this.#failures.keys().next()
      if (!oldest.done) this.#failures.delete(oldest.value)
    }
    return over > 0
  }

  /** By the name from this client, and by the client. An IPv6 client has a whole /64 to come from. */
  #keysOf(name: string, remoteAddress: string): [string, string] {
    const client = clientKey(remoteAddress)
    const scope = this.#shared?.concerns(remoteAddress) === false ? hereOnly : ''
    return [`${scope}${name} from ${client}`, `${scope}address ${client}`]
  }
}
