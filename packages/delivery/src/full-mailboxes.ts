// How much room mailboxes had a moment ago, where it was little: the next letter that does not fit is refused at RCPT.
// Bounded, forgetful.
import type { AccountId } from '@skein/accounts'
import type { Clock } from '@skein/runtime'

interface Room {
  bytes: number
  untilMs: number
}

export interface FullMailboxesLimits {
  overQuotaMemoryMs: number
  overQuotaAccountsMax: number
  messageBytesMax: number
}

export class FullMailboxes {
  readonly #rooms = new Map<AccountId, Room>()
  readonly #clock: Clock
  readonly #limits: FullMailboxesLimits

  constructor(clock: Clock, limits: FullMailboxesLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** It took nothing. */
  add(account: AccountId): void {
    this.note(account, 0)
  }

  /** @param roomBytes what its quota leaves; room for any letter is not worth a memory. */
  note(account: AccountId, roomBytes: number): void {
    this.#rooms.delete(account)
    if (roomBytes >= this.#limits.messageBytesMax) return
    const oldest = this.#rooms.size >= this.#limits.overQuotaAccountsMax ? this.#rooms.keys().next().value : undefined
    if (oldest !== undefined) this.#rooms.delete(oldest)
    this.#rooms.set(account, { bytes: roomBytes, untilMs: this.#clock.monotonicMs() + this.#limits.overQuotaMemoryMs })
  }

  /** Known to have no room for a letter of that size. */
  has(account: AccountId, size = 1): boolean {
    const room = this.#rooms.get(account)
    if (!room) return false
    if (room.untilMs > this.#clock.monotonicMs()) return room.bytes < size
    this.#rooms.delete(account)
    return false
  }
}
