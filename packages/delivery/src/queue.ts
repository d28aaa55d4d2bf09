// One letter's life as a pure function: next(letter, event) -> letter + effects. Nothing here waits, writes or reads a clock.
// The table in README.md shows the states, who enters, who leaves, and what a crash leaves behind.
import { attempted, aged, deferred, relayed } from './queue/attempts.ts'
import { awaitingGrant } from './queue/hand-over.ts'
import type { Letter, LetterEvent, LetterLimits, Step } from './queue/letter.ts'
import { originKnows, reported, settle } from './queue/notices.ts'
import { cancel, hold, release, retry } from './queue/operator.ts'
import { handOver, letGo } from './queue/ticket-steps.ts'
import type { QueueItem } from './ports.ts'

export { ageStartMs, dueRecipients, isOfAge, nextWakeMs } from './queue/age.ts'
export {
  isFinal,
  type Letter,
  type LetterEffect,
  type LetterEvent,
  type LetterLimits,
  type Outcome,
  type ReportKind,
  type Step,
} from './queue/letter.ts'
export { newNotice, openReport, oweSuccess, type Notice } from './queue/notices.ts'

const nobody: ReadonlySet<number> = new Set()

/** A letter as it comes in, or as it is found in the store at start. */
export function openLetter(item: QueueItem): Step {
  return settle({ phase: 'open', item: awaitingGrant(item), running: nobody, cancelled: false }, [])
}

export function next(letter: Letter, event: LetterEvent, limits: LetterLimits): Step {
  if (event.event === 'reported') return reported(letter, event)
  if (event.event === 'origin-knows') return originKnows(letter)
  // What comes late for a letter that is over changes nothing.
  if (letter.phase !== 'open') return { letter, effects: [] }
  // Another node's letter moves at that node's word; only taking it out is for this node's operators too.
  if (letter.item.errand && ['hold', 'release', 'retry'].includes(event.event)) return { letter, effects: [] }
  switch (event.event) {
    case 'started':
      return { letter: { ...letter, running: new Set([...letter.running, ...event.indexes]) }, effects: [] }
    case 'attempted':
      return attempted(letter, event, limits)
    case 'deferred':
      return deferred(letter, event)
    case 'aged':
      return aged(letter, event.atMs, limits)
    case 'cancel':
      return cancel(letter, event)
    case 'hold':
      return hold(letter)
    case 'release':
      return release(letter, event.atMs)
    case 'retry':
      return retry(letter, event.atMs)
    case 'let-go':
      return letGo(letter, event)
    case 'relayed':
      return relayed(letter, event, limits)
    case 'offered':
    case 'granted':
    case 'not-taken':
    case 'no-way':
      return handOver(letter, event)
    default:
      return { letter, effects: [] }
  }
}
