// Somebody's mail program at the door: who has logged in is known, and how much one user may send in an hour.
import type { DoorParts } from './door-parts.ts'
import type { DoorAnswer, DoorVisit } from './ports.ts'
import { type Refusal, refusals } from './refusals.ts'

export class SubmissionVisit implements DoorVisit {
  readonly remoteName = ''
  readonly #parts: DoorParts
  readonly #address: string
  #accountId: string | null = null

  constructor(parts: DoorParts, address: string) {
    this.#parts = parts
    this.#address = address
  }

  greet(): Refusal | null {
    const { fixed, clock, refuse } = this.#parts
    const rule = fixed().ofAddress(this.#address, clock.nowMs())
    return rule?.list === 'block' ? refuse(refusals.blockedAddress(rule.reason), this.#address) : null
  }

  hello(): void {}

  sender(_from: string, accountId: string | null): DoorAnswer {
    this.#accountId = accountId
    if (accountId === null) return null
    const { usage, rates, refuse } = this.#parts
    const waitMs = usage.take(rates.userLetters, accountId)
    return waitMs > 0 ? refuse(refusals.tooManyLettersOfUser(waitMs), this.#address) : null
  }

  recipient(): DoorAnswer {
    if (this.#accountId === null) return null
    const { usage, rates, refuse } = this.#parts
    const waitMs = usage.take(rates.userRecipients, this.#accountId)
    return waitMs > 0 ? refuse(refusals.tooManyRecipientsOfUser(waitMs), this.#address) : null
  }

  refusedRecipient(): DoorAnswer {
    return null
  }

  letter(): void {}

  leave(): void {}
}
