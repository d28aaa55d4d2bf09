// What comes of trying: by a courier of this node, by a peer, by waiting for a destination, by waiting too long.
import type { QueueRecipient } from '../ports.ts'
import { ageStartMs, isPastDue, lifetimeMs, wantsDelayNotice, wantsLateNotice } from './age.ts'
import { isUnder, withRefusedWay } from './hand-over.ts'
import {
  isFinal,
  trace,
  type LetterEffect,
  type LetterEvent,
  type LetterLimits,
  type OpenLetter,
  type Step,
} from './letter.ts'
import { fail, newNotice, oweSuccess, settle } from './notices.ts'
import { cancelled } from './operator.ts'

export function attempted(
  letter: OpenLetter,
  event: Extract<LetterEvent, { event: 'attempted' }>,
  limits: LetterLimits,
): Step {
  const outcomes = new Map(event.outcomes.map((outcome) => [outcome.index, outcome]))
  const running = new Set(letter.running)
  const effects: LetterEffect[] = []
  const expired = event.atMs >= ageStartMs(letter.item) + lifetimeMs(letter.item, limits)
  let outsideDelivered = false
  const notice = newNotice()
  const success = newNotice()
  const recipients = letter.item.recipients.map((before): QueueRecipient => {
    const outcome = outcomes.get(before.index)
    if (!outcome || isFinal(before)) return before
    running.delete(before.index)
    const { result } = outcome
    const { handOver: _, ...kept } = before
    // What a peer's address was refused is no reason to wait longer with this node's own.
    const isOwnTry = before.handOver === undefined || outcome.refusedWay === undefined
    const after = { ...kept, attempts: before.attempts + (isOwnTry ? 1 : 0), lastResult: result }
    if (result.kind === 'delivered') {
      outsideDelivered ||= result.courier === 'outside'
      effects.push(trace(result.courier === 'local' ? 'delivered' : 'handed-over', before, '', result))
      return oweSuccess(letter.item, { ...after, state: 'delivered' }, result, success)
    }
    const wish = before.handOver?.wish
    if (wish === 'hold' && outcome.recalled) {
      effects.push(trace('held', before, 'came back unsent', null))
      return { ...after, state: 'held' }
    }
    if (wish === 'cancel' || wish === 'cancel-silently') {
      return cancelled(letter, after, wish === 'cancel' ? 'told' : 'silent', notice, effects)
    }
    if (letter.cancelled) return cancelled(letter, after, letter.cancelled, notice, effects)
    if (outcome.refusedWay !== undefined && !outcome.final && !(expired && before.state === 'pending')) {
      effects.push(trace('deferred', before, 'another way is looked for', result))
      return { ...withRefusedWay(after, { node: outcome.refusedWay, result }), nextAttemptMs: event.atMs }
    }
    if (result.kind === 'permanent' || outcome.final) {
      effects.push(trace('failed', before, '', result))
      return fail(letter.item, after, notice)
    }
    if (expired && before.state === 'pending') {
      effects.push(trace('failed', before, 'given up after the last attempt', result))
      return fail(letter.item, after, notice)
    }
    effects.push(trace('deferred', before, '', result))
    return { ...after, nextAttemptMs: outcome.retryAtMs }
  })
  const item = { ...letter.item, recipients }
  // What an outside server took must be remembered: it would take it again. Peers and mailboxes know a delivery by its id.
  const forget = recipients.every((it) => it.state === 'delivered' && !it.successOwed) && !outsideDelivered
  if (!forget) effects.push({ effect: 'store' })
  return settle({ ...letter, item, running }, effects)
}

export function deferred(letter: OpenLetter, event: Extract<LetterEvent, { event: 'deferred' }>): Step {
  const indexes = new Set(event.indexes)
  const running = new Set([...letter.running].filter((index) => !indexes.has(index)))
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const recipients = letter.item.recipients.map((before): QueueRecipient => {
    if (!indexes.has(before.index) || isFinal(before)) return before
    if (letter.cancelled) return cancelled(letter, before, letter.cancelled, notice, effects)
    if (before.lastResult?.text !== event.result.text || before.lastResult.hop !== event.result.hop) {
      effects.push(trace('deferred', before, '', event.result))
    }
    return { ...before, lastResult: event.result, nextAttemptMs: event.untilMs }
  })
  // Not worth a write of its own: after a crash the time that was last written counts, and where that has passed it is tried at once.
  if (letter.cancelled) effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...letter.item, recipients }, running }, effects)
}

/** The peer says what became of these: as if this node had tried. */
export function relayed(
  letter: OpenLetter,
  event: Extract<LetterEvent, { event: 'relayed' }>,
  limits: LetterLimits,
): Step {
  const outcomes = event.outcomes.filter(({ index }) =>
    letter.item.recipients.some((it) => it.index === index && isUnder(it, event.ticket)),
  )
  if (outcomes.length === 0) return { letter, effects: [] }
  const back = new Set(outcomes.map((it) => it.index))
  const recipients = letter.item.recipients.map((it): QueueRecipient => {
    return back.has(it.index) && !isFinal(it) ? { ...it, state: 'pending' } : it
  })
  return attempted(
    { ...letter, item: { ...letter.item, recipients } },
    { ...event, event: 'attempted', outcomes },
    limits,
  )
}

export function aged(letter: OpenLetter, atMs: number, limits: LetterLimits): Step {
  const { item } = letter
  const effects: LetterEffect[] = []
  const delayed: number[] = []
  const late: number[] = []
  const startMs = ageStartMs(item)
  const expired = atMs >= startMs + lifetimeMs(item, limits)
  const isDelayed = atMs >= startMs + limits.delayNoticeAfterMs
  const pastDue = isPastDue(item, atMs)
  let changed = false
  const notice = newNotice()
  const recipients = item.recipients.map((before): QueueRecipient => {
    if (before.state !== 'pending' || letter.running.has(before.index)) return before
    // Whoever was never tried (the node was down for days) gets one attempt before the letter is given up; but not against
    // the sender's own word (RFC 2852 §4.1).
    const tooLate = pastDue && item.options?.deliverBy?.mode === 'return'
    if (tooLate || (expired && before.lastResult !== null)) {
      changed = true
      const why = tooLate ? 'not delivered by the time that the sender set' : 'given up'
      effects.push(trace('failed', before, why, before.lastResult))
      return fail(item, before, notice)
    }
    if (pastDue && wantsLateNotice(item, before)) late.push(before.index)
    if (isDelayed && wantsDelayNotice(item, before)) delayed.push(before.index)
    return before
  })
  if (changed) effects.push({ effect: 'store' })
  for (const [kind, indexes] of [
    ['late', late],
    ['delay', delayed],
  ] as const) {
    const first = indexes[0]
    if (first !== undefined) effects.push({ effect: 'report', kind, notice: first, indexes })
  }
  return settle(changed ? { ...letter, item: { ...item, recipients } } : letter, effects)
}
