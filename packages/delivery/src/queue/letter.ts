// One letter of the queue: its phases, what may happen to it, and what follows from that. The table in README.md shows the
// states, who enters, who leaves, and what a crash leaves behind.
import type { NodeId } from '@skein/runtime'
import type { DeliveryResult, QueueItem, QueueRecipient } from '../ports.ts'

/**
 * open: some recipient is not final. reporting: all are, and the sender is owed a notice that is not durable yet.
 * closed: nothing is left to do. `running`: indexes that a courier has in its hands now (never stored).
 * `cancelled`: an operator's word that came while couriers were at it; carried out as they return.
 */
export type Letter =
  | { phase: 'open'; item: QueueItem; running: ReadonlySet<number>; cancelled: false | 'told' | 'silent' }
  | { phase: 'reporting'; item: QueueItem }
  | { phase: 'closed'; item: QueueItem }

export type OpenLetter = Extract<Letter, { phase: 'open' }>

/**
 * success: RFC 3461 §4.1. expansion: an address that stood for several (§5.2.7.3). late: the moment that the sender set has
 * passed (RFC 2852 §4). Every kind but `delay` and `late` is owed in the record until its notice is durable.
 */
export type ReportKind = 'failure' | 'delay' | 'late' | 'success' | 'expansion'

export interface Outcome {
  index: number
  result: DeliveryResult
  /** For a temporary result: when to try again. */
  retryAtMs: number
  /** Refused for the sake of the address of this node, or of the peer that tried: another one may do better. */
  refusedWay?: NodeId
  /** No further attempt, whatever the kind: this node only tries for another. */
  final?: boolean
  /** Came back unsent, as an operator wished. */
  recalled?: boolean
}

export type LetterEvent =
  /** A courier takes these recipients. */
  | { event: 'started'; indexes: readonly number[] }
  /** A courier is done with these, or the map refuses them. */
  | { event: 'attempted'; atMs: number; outcomes: readonly Outcome[] }
  /** The destination is down: not an attempt of this letter's own. */
  | { event: 'deferred'; indexes: readonly number[]; untilMs: number; result: DeliveryResult }
  /** Time has passed: who has waited too long, who should hear of the delay. */
  | { event: 'aged'; atMs: number }
  | { event: 'retry'; atMs: number }
  | { event: 'hold' }
  | { event: 'release'; atMs: number }
  | { event: 'cancel'; atMs: number; silent: boolean }
  /** The notice about these recipients is durably in the queue. */
  | { event: 'reported'; kind: ReportKind; indexes: readonly number[] }
  | HandOverEvent
  /** The peer says what came of all that it had under this ticket; or it is lost, and nobody will say. */
  | { event: 'relayed'; atMs: number; ticket: string; outcomes: readonly Outcome[] }
  /** For another node's letter: that node lets this one send it now; and later has taken note of what came of it. */
  | { event: 'let-go'; atMs: number; hurry?: boolean }
  | { event: 'origin-knows' }

export type HandOverEvent =
  /** These are offered to a peer under one ticket. Durable before the offer is sent. */
  | { event: 'offered'; atMs: number; indexes: readonly number[]; node: NodeId; ticket: string; why: string }
  /** The peer has it on its disk and is allowed to send. Durable before the grant is sent. */
  | { event: 'granted'; ticket: string; stage: string }
  /** Without a grant nobody sends: the letter is this node's again. `refused`: that node will not do it. */
  | { event: 'not-taken'; atMs: number; ticket: string; result: DeliveryResult; refused: boolean }
  /** The map of ways has nobody left: back to the retry schedule, or the end. */
  | { event: 'no-way'; atMs: number; indexes: readonly number[]; self: NodeId; retryAtMs: number }

export type LetterEffect =
  /** Make the record durable as it is now, before the effects that follow. */
  | { effect: 'store' }
  /** Tell the sender (RFC 3464); then comes the event `reported`. */
  | { effect: 'report'; kind: ReportKind; notice: number; indexes: readonly number[] }
  /** Another node's letter: tell it what came of it; then comes the event `origin-knows`. */
  | { effect: 'answer-origin' }
  /** Remove the record and let go of the bytes. */
  | { effect: 'close' }
  /** `result`: what the other side said, where that is the reason. */
  | { effect: 'trace'; what: string; recipient: string; why: string; result: DeliveryResult | null }

export interface LetterLimits {
  queueLifetimeMs: number
  delayNoticeAfterMs: number
  errandKeepMs: number
}

export interface Step {
  letter: Letter
  effects: LetterEffect[]
}

export function isFinal(recipient: QueueRecipient): boolean {
  return recipient.state === 'delivered' || recipient.state === 'failed' || recipient.state === 'cancelled'
}

export function trace(
  what: string,
  recipient: QueueRecipient,
  why: string,
  result: DeliveryResult | null,
): LetterEffect {
  return { effect: 'trace', what, recipient: recipient.address, why, result }
}
