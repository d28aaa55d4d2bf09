// What time does to a letter: when it is due, how old it is, and what its sender has to hear of that.
import { wantsNotice, type QueueItem, type QueueRecipient } from '../ports.ts'
import type { Letter, LetterLimits } from './letter.ts'

/** From when on a letter ages: its sender may have asked for it to lie for a while (RFC 4865). */
export function ageStartMs({ receivedMs, options }: QueueItem): number {
  return Math.max(receivedMs, options?.holdUntilMs ?? 0)
}

/** How long a letter is tried here. */
export function lifetimeMs(item: QueueItem, limits: LetterLimits): number {
  return item.errand ? limits.errandKeepMs : limits.queueLifetimeMs
}

/** True where `aged` may change something. */
export function isOfAge(item: QueueItem, nowMs: number, limits: LetterLimits): boolean {
  const ageMs = nowMs - ageStartMs(item)
  return ageMs >= Math.min(limits.delayNoticeAfterMs, limits.queueLifetimeMs) || isPastDue(item, nowMs)
}

export function isPastDue({ options }: QueueItem, nowMs: number): boolean {
  return options?.deliverBy !== undefined && nowMs >= options.deliverBy.atMs
}

export function wantsDelayNotice(item: QueueItem, recipient: QueueRecipient): boolean {
  return item.from !== '' && !item.errand && !recipient.delayNoticeSent && wantsNotice(recipient.options, 'delay')
}

export function wantsLateNotice(item: QueueItem, recipient: QueueRecipient): boolean {
  if (item.options?.deliverBy?.mode !== 'notify' || item.from === '' || item.errand) return false
  return !recipient.deliverByTold && wantsNotice(recipient.options, 'delay')
}

/** Recipients whose time has come and whom no courier has in hand. */
export function dueRecipients(letter: Letter, nowMs: number): QueueRecipient[] {
  if (letter.phase !== 'open') return []
  return letter.item.recipients.filter(
    (it) => it.state === 'pending' && it.nextAttemptMs <= nowMs && !letter.running.has(it.index),
  )
}

/**
 * When something is next to be done for the letter without anyone's asking; undefined: never.
 * `waiting`: indexes whose turn comes when their destination has one; of these only the age counts.
 */
export function nextWakeMs(letter: Letter, waiting: ReadonlySet<number>, limits: LetterLimits): number | undefined {
  if (letter.phase !== 'open') return undefined
  const { item } = letter
  let wakeMs: number | undefined
  const earlier = (ms: number) => {
    if (wakeMs === undefined || ms < wakeMs) wakeMs = ms
  }
  const startMs = ageStartMs(item)
  const deliverBy = item.options?.deliverBy
  for (const it of item.recipients) {
    if (it.state !== 'pending' || letter.running.has(it.index)) continue
    earlier(startMs + lifetimeMs(item, limits))
    if (!waiting.has(it.index)) earlier(it.nextAttemptMs)
    if (wantsDelayNotice(item, it)) earlier(startMs + limits.delayNoticeAfterMs)
    if (deliverBy && (deliverBy.mode === 'return' || wantsLateNotice(item, it))) earlier(deliverBy.atMs)
  }
  return wakeMs
}
