// Somebody's mail program at the door: only who is blocked stays outside. How much one user may send is delivery's to say.
import type { DoorParts } from './door-parts.ts'
import type { DoorAnswer, DoorVisit } from './ports.ts'
import { type Refusal, refusals } from './refusals.ts'

export class SubmissionVisit implements DoorVisit {
  readonly remoteName = ''
  readonly #parts: DoorParts
  readonly #address: string

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

  sender(): DoorAnswer {
    return null
  }

  recipient(): DoorAnswer {
    return null
  }

  refusedRecipient(): DoorAnswer {
    return null
  }

  letter(): void {}

  leave(): void {}
}
