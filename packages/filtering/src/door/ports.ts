// The door as the SMTP front door sees it: one visit for each session, asked at each step.
import type { Refusal } from './refusals.ts'

/** Null: go on. Code 421 ends the session. May come late: the DNS is slow, or the visitor waits in the tarpit. Never rejects. */
export type DoorAnswer = Refusal | null | Promise<Refusal | null>

export interface Visitor {
  remoteAddress: string
  /** mx: a stranger's mail system. submission: somebody's mail program. */
  role: 'mx' | 'submission'
}

export interface DoorVisit {
  /** The host name of the address, confirmed by the DNS, or ''. Known by the answer to `sender`. */
  readonly remoteName: string
  /** Before the greeting. */
  greet(): Refusal | null
  /** @param name as given to HELO or EHLO */
  hello(name: string): void
  /** At MAIL, where it is in order. @param accountId who is logged in */
  sender(from: string, accountId: string | null): DoorAnswer
  /** At RCPT, where it is in order and the house takes mail for it. */
  recipient(to: string): DoorAnswer
  /** At RCPT, where the house has no such recipient or does not relay to it: says when that may be answered. */
  refusedRecipient(): DoorAnswer
  /** At the end of a message. */
  letter(outcome: 'taken' | 'junk' | 'refused'): void
  /** The session is over. */
  leave(): void
}

export interface DoorStats {
  /** Visits of strangers since the start. */
  visits: number
  /** By the reason's name, since the start. */
  refused: Readonly<Record<string, number>>
  tarpit: { waiting: number; entered: number }
  bans: number
  /** What is known of those who knock, over all nodes. */
  records: number
}

export interface Doorkeeper {
  /** Undefined: a trusted address, of whom nothing is asked. */
  enter(visitor: Visitor): DoorVisit | undefined
  stats(): DoorStats
}
