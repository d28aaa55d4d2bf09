// An operator's word about a letter: what a courier or a peer has in its hands at that moment comes back first.
import type { QueueRecipient } from '../ports.ts'
import { takenBack, withWish } from './hand-over.ts'
import { isFinal, trace, type LetterEffect, type LetterEvent, type OpenLetter, type Step } from './letter.ts'
import { newNotice, owe, settle, type Notice } from './notices.ts'

export function hold(letter: OpenLetter): Step {
  return change(letter, heldBack, 'held')
}

/** Its sender's word counts again, where he asked for a later moment. */
export function release(letter: OpenLetter, atMs: number): Step {
  const nextAttemptMs = Math.max(atMs, letter.item.options?.holdUntilMs ?? 0)
  return change(letter, (it) => (it.state === 'held' ? { ...it, state: 'pending', nextAttemptMs } : it), 'retried')
}

export function retry(letter: OpenLetter, atMs: number): Step {
  const again = (it: QueueRecipient): QueueRecipient =>
    isFinal(it) || it.state === 'handed-over' ? it : { ...it, state: 'pending', nextAttemptMs: atMs }
  return change(letter, again, 'retried')
}

function change(letter: OpenLetter, map: (it: QueueRecipient) => QueueRecipient, what: string): Step {
  const effects: LetterEffect[] = []
  const recipients = letter.item.recipients.map((before) => {
    const after = map(before)
    if (after !== before) effects.push(trace(what, before, "an operator's word", null))
    return after
  })
  if (effects.length === 0) return { letter, effects }
  effects.push({ effect: 'store' })
  return settle({ ...letter, item: { ...letter.item, recipients } }, effects)
}

function heldBack(recipient: QueueRecipient): QueueRecipient {
  if (recipient.state === 'pending') return { ...recipient, state: 'held' }
  if (recipient.state !== 'handed-over') return recipient
  if (recipient.handOver?.phase === 'granted') return withWish(recipient, 'hold')
  return { ...takenBack(recipient, recipient.nextAttemptMs), state: 'held' }
}

export function cancel(letter: OpenLetter, event: Extract<LetterEvent, { event: 'cancel' }>): Step {
  const wish = event.silent ? 'silent' : 'told'
  const effects: LetterEffect[] = []
  const notice = newNotice()
  const recipients = letter.item.recipients.map((before) => {
    if (isFinal(before) || letter.running.has(before.index)) return before
    // What a peer may be sending is asked back; its word decides.
    if (before.state === 'handed-over' && before.handOver?.phase === 'granted') {
      return withWish(before, event.silent ? 'cancel-silently' : 'cancel')
    }
    const { handOver: _, ...own } = before
    return cancelled(letter, own, wish, notice, effects)
  })
  effects.push({ effect: 'store' })
  return settle({ ...letter, cancelled: wish, item: { ...letter.item, recipients } }, effects)
}

export function cancelled(
  letter: OpenLetter,
  recipient: QueueRecipient,
  wish: 'told' | 'silent',
  notice: Notice,
  effects: LetterEffect[],
): QueueRecipient {
  effects.push(trace('cancelled', recipient, "an operator's word", null))
  const after: QueueRecipient = { ...recipient, state: 'cancelled' }
  return wish === 'told' ? owe(letter.item, after, notice) : after
}
