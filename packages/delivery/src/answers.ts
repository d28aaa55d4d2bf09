// What couriers and mailboxes say, as results of a delivery: one place that maps errors to reply codes.
import { SkeinError } from '@skein/runtime'
import type { DeliveryResult } from './ports.ts'

export interface Answer {
  kind: DeliveryResult['kind']
  /** RFC 5321 reply code. */
  code: number
  /** RFC 3463 status. */
  status: string
  text: string
}

export const answers = {
  stored: { kind: 'delivered', code: 250, status: '2.1.5', text: 'in the mailbox' },
  storedBefore: { kind: 'delivered', code: 250, status: '2.1.5', text: 'in the mailbox already' },
  mailboxFull: { kind: 'temporary', code: 452, status: '4.2.2', text: 'the mailbox is full' },
  /** Under Sent already: the mail program's own copy. */
  filedBefore: { kind: 'delivered', code: 250, status: '2.0.0', text: 'under Sent already' },
  /** The map and the mailboxes do not agree yet: an account that is being made or moved. */
  notHere: { kind: 'temporary', code: 450, status: '4.2.1', text: 'the mailbox is not here (yet)' },
  diskFull: { kind: 'temporary', code: 452, status: '4.3.1', text: 'the disk is full' },
  internal: { kind: 'temporary', code: 451, status: '4.3.0', text: 'internal error' },
  busy: { kind: 'temporary', code: 451, status: '4.3.2', text: 'too busy at the moment' },
  unreachable: { kind: 'temporary', code: 450, status: '4.4.1', text: "the node can't be reached" },
} as const satisfies Record<string, Answer>

const byCode: Record<string, Answer> = {
  'over-quota': answers.mailboxFull,
  'no-such-account': answers.notHere,
  'no-such-mailbox': answers.notHere,
  'disk-full': answers.diskFull,
  'peer-unreachable': answers.unreachable,
}

/** Undefined for what nobody foresaw: the caller logs it and says `answers.internal`. */
export function answerToError(error: unknown): Answer | undefined {
  if (!(error instanceof SkeinError)) return undefined
  const known = byCode[error.code]
  if (known) return known
  if (error.kind === 'temporary') return { kind: 'temporary', code: 451, status: '4.3.0', text: error.message }
  return { kind: 'permanent', code: 554, status: '5.3.0', text: error.message }
}

/** The bytes went into a mailbox of this node, now or before. */
export function isInMailbox({ kind, courier, status }: DeliveryResult): boolean {
  return kind === 'delivered' && courier === 'local' && status !== answers.filedBefore.status
}

/** RFC 3463 §3.5: nobody answered, or the line broke: the destination is in trouble, not this letter. */
export function isDestinationDown(results: readonly DeliveryResult[]): boolean {
  return (
    results.length > 0 &&
    results.every((it) => it.kind === 'temporary' && (it.code === 421 || it.status.startsWith('4.4.')))
  )
}

/** The map is behind on one side: it will be right in a moment. */
export function isMapBehind(result: DeliveryResult): boolean {
  return result.kind === 'temporary' && result.courier !== 'outside' && result.status === answers.notHere.status
}
