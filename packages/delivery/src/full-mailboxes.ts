// Which mailboxes were found full a moment ago, so that the next letter for them is refused at RCPT. Bounded, forgetful.
import type { AccountId } from '@skein/accounts'
import type { Clock } from '@skein/runtime'

export class FullMailboxes {
  readonly #untilMs = new Map<AccountId, number>()
  readonly #clock: Clock
  readonly #keepMs: number
  readonly #accountsMax: number

  constructor(clock: Clock, limits: { overQuotaMemoryMs: number; overQuotaAccountsMax: number }) {
    this.#clock = clock
    this.#keepMs = limits.overQuotaMemoryMs
    this.#accountsMax = limits.overQuotaAccountsMax
  }

  add(account: AccountId): void {
    this.#untilMs.delete(account)
    const oldest = this.#untilMs.size >= this.#accountsMax ? this.#untilMs.keys().next().value : undefined
    if (oldest !== undefined) this.#untilMs.delete(oldest)
    this.#untilMs.set(account, this.#clock.monotonicMs() + this.#keepMs)
  }

  delete(account: AccountId): void {
    this.#untilMs.delete(account)
  }

  has(account: AccountId): boolean {
    const untilMs = this.#untilMs.get(account)
    if (untilMs === undefined) return false
    if (untilMs > this.#clock.monotonicMs()) return true
    this.#untilMs.delete(account)
    return false
  }
}
