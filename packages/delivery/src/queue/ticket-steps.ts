// How a ticket that is offered, granted or not taken changes the letter, at its origin and at the relay.
import type { QueueRecipient } from '../ports.ts'
import { granted, isUnder, offered, takenBack, withoutOwnRefusal, withRefusedWay } from './hand-over.ts'
import { trace, type HandOverEvent, type LetterEffect, type LetterEvent, type OpenLetter, type Step } from './letter.ts'
import { fail, newNotice, settle } from './notices.ts'

export function handOver(letter: OpenLetter, event: HandOverEvent): Step {
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const { item } = letter
  const map = (before: QueueRecipient): QueueRecipient => {
    if (event.event === 'offered') {
      if (before.state !== 'pending' || !event.indexes.includes(before.index) || letter.running.has(before.index)) {
        return before
      }
      effects.push(trace('other-way', before, `${event.node} is asked to send it: ${event.why}`, null))
      return offered(before, event)
    }
    if (event.event === 'no-way') {
      if (before.state !== 'pending' || !event.indexes.includes(before.index)) return before
      const own = before.refusedWays?.find((it) => it.node === event.self)?.result ?? before.lastResult
      const after = { ...withoutOwnRefusal(before, event.self), lastResult: own, nextAttemptMs: event.retryAtMs }
      if (own?.kind !== 'permanent') return after
      effects.push(trace('failed', before, 'no way is left', own))
      return fail(item, { ...before, lastResult: own }, notice)
    }
    if (!isUnder(before, event.ticket)) return before
    if (event.event === 'granted') {
      effects.push(
        trace('relayed', before, `${before.handOver?.node} has it and sends it, ticket ${event.ticket}`, null),
      )
      return granted(before, event.stage)
    }
    // Once granted it comes back by word of the peer alone.
    if (before.handOver?.phase !== 'offered') return before
    const { node } = before.handOver
    effects.push(trace('deferred', before, `${node} does not take it`, event.result))
    const back = takenBack(before, event.atMs)
    return event.refused ? withRefusedWay(back, { node, result: event.result }) : back
  }
  const recipients = item.recipients.map((it) => map(it))
  if (recipients.every((it, at) => it === item.recipients[at])) return { letter, effects }
  effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...item, recipients } }, effects)
}

/** Not stored: after a crash the origin must say so again, for it may have thought better of it. */
export function letGo(letter: OpenLetter, { atMs, hurry }: Extract<LetterEvent, { event: 'let-go' }>): Step {
  const { item } = letter
  const goes = (it: QueueRecipient) => it.state === 'held' || (hurry === true && it.state === 'pending')
  if (!item.errand || !item.recipients.some(goes)) return { letter, effects: [] }
  const recipients = item.recipients.map((it): QueueRecipient => {
    return goes(it) ? { ...it, state: 'pending', nextAttemptMs: atMs } : it
  })
  return { letter: { ...letter, item: { ...item, recipients } }, effects: [] }
}
