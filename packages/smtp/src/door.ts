// One session at the door: what the doorkeeper says at each step, in this server's replies. Without a doorkeeper, and for trusted
// addresses, every step is answered at once and costs nothing.
import type { DoorAnswer, DoorVisit, Doorkeeper } from '@skein/filtering'
import type { SmtpRole } from './house.ts'
import type { Reply } from './replies.ts'
import type { Transaction } from './transaction.ts'

type Say = (refusal: Reply | null) => void

export class SessionDoor {
  readonly #visit: DoorVisit | undefined

  constructor(doorkeeper: Doorkeeper | undefined, role: SmtpRole, remoteAddress: string) {
    // LMTP comes from a mail system of ours.
    if (role !== 'lmtp') {
      this.#visit = doorkeeper?.enter({ remoteAddress, role: role === 'mx' ? 'mx' : 'submission' })
    }
  }

  /** Confirmed by the DNS, or ''. Known when `sender` has been answered. */
  get remoteName(): string {
    return this.#visit?.remoteName ?? ''
  }

  greet(say: Say): void {
    tell(this.#visit?.greet(), say)
  }

  hello(name: string): void {
    this.#visit?.hello(name)
  }

  sender(from: string, accountId: string | null, say: Say): void {
    tell(this.#visit?.sender(from, accountId), say)
  }

  /** @param before recipients of the transaction before this command; @param refusal what the house says of it already */
  recipient(transaction: Transaction | null, before: number, refusal: Reply | null, say: Say): void {
    const added = transaction && transaction.recipients.length > before ? transaction.recipients.at(-1) : undefined
    if (refusal) {
      // Unknown here, or not served here: not a slip of the pen in the command, nor a full mailbox.
      return tell(refusal.code === 550 ? this.#visit?.refusedRecipient() : null, (late) => say(late ?? refusal))
    }
    if (!transaction || added === undefined) return say(null)
    tell(this.#visit?.recipient(added), (late) => {
      if (late) takeBack(transaction)
      say(late)
    })
  }

  letter(result: { refused: Reply } | { junk?: boolean }): void {
    if (!('refused' in result)) this.#visit?.letter(result.junk ? 'junk' : 'taken')
    // What is temporary says nothing of the sender.
    else if (result.refused.code >= 500) this.#visit?.letter('refused')
  }

  leave(): void {
    this.#visit?.leave()
  }
}

function tell(answer: DoorAnswer | undefined, say: Say): void {
  if (answer instanceof Promise) void answer.then(say)
  else say(answer ?? null)
}

/** The last recipient was not taken after all. */
function takeBack(transaction: Transaction): void {
  transaction.recipients.pop()
  transaction.recipientOptions.length = Math.min(transaction.recipientOptions.length, transaction.recipients.length)
  const last = [...transaction.known].at(-1)
  if (last !== undefined) transaction.known.delete(last)
}
