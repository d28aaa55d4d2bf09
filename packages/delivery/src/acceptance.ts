// The moment in which a letter becomes ours: a few recipients, all here, and it goes straight into their mailboxes; else, or where
// one takes nothing now, into the queue. Promises: durable when it resolves; when it throws, nothing was kept.
import type { Directory } from '@skein/accounts'
import type { MessageLog } from '@skein/mailboxes'
import type { Clock, Random } from '@skein/runtime'
import { answers, type Answer } from './answers.ts'
import type { Taken } from './examination.ts'
import type { DeliveryLimits } from './limits.ts'
import type { Placement } from './placement.ts'
import type { DeliveryResult, IntakeSource, QueueId, QueueItem, QueueRecipient } from './ports.ts'
import { newNotice, oweSuccess } from './queue.ts'
import { retryPauseMs } from './retry-schedule.ts'
import { routeRecipient, type RouteSettings } from './route.ts'
import { withTlsWish } from './tls-wish.ts'
import type { Tracer, TraceStep } from './trace.ts'

export interface AcceptanceComponents {
  log: MessageLog
  directory: Directory
  placement: Placement
  tracer: Tracer
  clock: Clock
  random: Random
  accepted?: (item: QueueItem) => void
  enqueue(item: QueueItem, steps: readonly TraceStep[]): Promise<void>
}

export interface AcceptedLetter {
  item: QueueItem
  /** Where it was in memory. */
  bytes: Uint8Array | undefined
  header: readonly Uint8Array[]
  found: Taken
  from: IntakeSource
}

/** @returns direct: it never was in the queue */
export async function acceptLetter(
  parts: AcceptanceComponents,
  { limits, routes }: { limits: DeliveryLimits; routes: RouteSettings },
  { item, bytes, header, found, from }: AcceptedLetter,
): Promise<{ queueId: QueueId; direct: boolean; junk: boolean }> {
  const { directory, placement, log, enqueue, tracer } = parts
  const steps: TraceStep[] = [acceptedStep(item, from, found.detail)]
  const junk = found.verdict === 'junk'
  let waiting = item
  const addressees = item.recipients.flatMap((recipient) => {
    if (recipient.state !== 'pending') return []
    const route = routeRecipient(directory, recipient, routes)
    return route.kind === 'local' ? [{ index: recipient.index, accountId: route.accountId }] : []
  })
  const mayGoDirect = addressees.length === item.recipients.length && item.options?.holdUntilMs === undefined
  if (mayGoDirect && addressees.length <= limits.directRecipientsMax) {
    const results = await placement.put({ ...item, ...(bytes && { bytes }) }, addressees)
    waiting = withResults(parts, item, results, steps)
    if (isSettled(waiting)) {
      tracer.record(item, steps)
      parts.accepted?.(item)
      return { queueId: item.id, direct: true, junk }
    }
  }
  if (waiting === item) {
    steps.push(...tracer.routes(item))
    waiting = withTlsWish(item, header)
  }
  try {
    await enqueue(waiting, steps)
  } catch (error) {
    log.release(item.blob)
    throw error
  }
  parts.accepted?.(item)
  return { queueId: item.id, direct: false, junk }
}

function acceptedStep(item: QueueItem, source: IntakeSource, found: string): TraceStep {
  const who = source.account?.address ?? `${source.helo} [${source.remoteAddress}]`
  const detail = `${item.size} bytes from ${who} by ${source.protocol}${found && `; ${found}`}`
  return { what: 'accepted', recipient: '', detail }
}

function withResults(
  { clock, random, directory, tracer }: AcceptanceComponents,
  item: QueueItem,
  results: readonly Answer[],
  steps: TraceStep[],
): QueueItem {
  const atMs = clock.nowMs()
  const success = newNotice()
  const recipients = item.recipients.map((it, at): QueueRecipient => {
    const answer = results[at] ?? answers.internal
    const result: DeliveryResult = { ...answer, atMs, courier: 'local', hop: directory.self }
    const delivered = answer.kind === 'delivered'
    steps.push({
      what: delivered ? 'delivered' : 'deferred',
      recipient: it.address,
      detail: tracer.byWayOf(it) + answer.text,
    })
    const tried = { ...it, attempts: 1, lastResult: result }
    if (!delivered) return { ...tried, nextAttemptMs: atMs + retryPauseMs('mailbox', 1, random) }
    return oweSuccess(item, { ...tried, state: 'delivered', nextAttemptMs: atMs }, result, success)
  })
  return { ...item, recipients }
}

/** Delivered, and nobody waits to hear of it. */
function isSettled({ recipients, expansionsOwed }: QueueItem): boolean {
  return !expansionsOwed && recipients.every((it) => it.state === 'delivered' && !it.successOwed)
}
