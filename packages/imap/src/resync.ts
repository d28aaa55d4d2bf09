// What a client that comes back has missed (RFC 7162 §3.2.5): changed flags, and the UIDs that are gone.
// Promises: where the memory of expunges reaches back, only those gone since are named; else every UID that the client may
// know and that is not there, but for what its match data shows to be untouched.
import type { AccountMailboxes, MessageRecord } from '@skein/mailboxes'
import type { Context } from './commands/command.ts'
import type { Cursor } from './wire/cursor.ts'
import { absentNumbers, formatNumbers, formatRanges, isOpenEnded, rangesBelow } from './wire/sequence-set.ts'
import type { NumberRange, SequenceSet } from './wire/sequence-set.ts'
import { fault } from './wire/syntax-error.ts'
import { flagsFetch } from './view.ts'
import type { MailboxView } from './view.ts'

export interface Resync {
  uidValidity: number
  modseq: number
  knownUids: SequenceSet | undefined
  /** Some messages that the client knows, by both numbers (RFC 7162 §3.2.5.2). */
  match: { numbers: readonly NumberRange[]; uids: readonly NumberRange[] } | undefined
}

/** ` (uidvalidity modseq [known-uids] [(known-sequence-set known-uid-set)])` */
export function parseResync(cursor: Cursor): Resync {
  cursor.space()
  cursor.want('(')
  const uidValidity = cursor.nonZeroNumber()
  cursor.space()
  const modseq = cursor.nonZeroNumber()
  let knownUids: SequenceSet | undefined
  let match: Resync['match']
  if (cursor.take(' ')) {
    if (!cursor.sees('(')) {
      knownUids = cursor.sequenceSet()
      if (knownUids.kind === 'saved' || knownUids.ranges.some(isOpenEnded)) fault('known UIDs are numbers, without *')
    }
    if (cursor.sees('(') || cursor.take(' ')) match = parseMatch(cursor)
  }
  cursor.want(')')
  return { uidValidity, modseq, knownUids, match }
}

function parseMatch(cursor: Cursor): Resync['match'] {
  cursor.want('(')
  const numbers = ascending(cursor.sequenceSet())
  cursor.space()
  const uids = ascending(cursor.sequenceSet())
  cursor.want(')')
  if (countOf(numbers) !== countOf(uids)) fault('each sequence number needs its UID')
  return { numbers, uids }
}

/** RFC 7162 §3.2.5.2: in order and without `*`. */
function ascending(set: SequenceSet): NumberRange[] {
  if (set.kind === 'saved') fault('numbers are wanted')
  let last = 0
  return set.ranges.map(({ from, to }) => {
    if (from <= last || to < from) fault('the numbers stand in ascending order, without *')
    last = to
    return { first: from, last: to }
  })
}

function countOf(ranges: readonly NumberRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
}

/**
 * The highest UID up to which nothing is gone: where a message still has the number that the client knows it by, all
 * before it are there.
 */
export function untouchedUpTo(view: MailboxView, match: Resync['match']): number {
  if (match === undefined) return 0
  let untouched = 0
  let range = 0
  let uid = match.uids[0]?.first ?? 0
  for (const { first, last } of match.numbers) {
    for (let number = first; number <= last; number++) {
      if (number > view.count || view.uidAt(number - 1) !== uid) return untouched
      untouched = uid
      if (uid < (match.uids[range]?.last ?? 0)) uid++
      else uid = match.uids[++range]?.first ?? 0
    }
  }
  return untouched
}

/** UIDs of `asked` that are gone, as a set; '' where none are. @param untouched as `untouchedUpTo` says */
export async function vanishedOf(
  mailboxes: AccountMailboxes,
  view: MailboxView,
  asked: readonly NumberRange[],
  sinceModseq: number,
  untouched = 0,
): Promise<string> {
  const gone = await mailboxes.vanished(view.mailbox, sinceModseq)
  if (gone !== undefined) return formatNumbers(within(asked, gone))
  const above = asked
    .filter(({ last }) => last > untouched)
    .map(({ first, last }) => ({ first: Math.max(first, untouched + 1), last }))
  return formatRanges(absentNumbers(above, view.uids()))
}

/** Those of `numbers` that lie in `ranges`; both ascending. */
function* within(ranges: readonly NumberRange[], numbers: readonly number[]): Generator<number> {
  let at = 0
  for (const number of numbers) {
    while (at < ranges.length && (ranges[at] as NumberRange).last < number) at++
    const range = ranges[at]
    if (range === undefined) return
    if (number >= range.first) yield number
  }
}

export async function resynchronise(
  context: Context,
  mailboxes: AccountMailboxes,
  view: MailboxView,
  resync: Resync,
  uidNext: number,
): Promise<void> {
  const known = rangesBelow(resync.knownUids, uidNext)
  const untouched = untouchedUpTo(view, resync.match)
  const vanished = await vanishedOf(mailboxes, view, known, resync.modseq, untouched)
  if (vanished !== '') context.out.text(`* VANISHED (EARLIER) ${vanished}\r\n`)
  const live: readonly MessageRecord[] = (await mailboxes.messages(view.mailbox)).slice()
  let at = 0
  for (const record of live) {
    while (at < known.length && (known[at] as NumberRange).last < record.uid) at++
    const range = known[at]
    if (range === undefined) break
    const place = record.uid < range.first || record.modseq <= resync.modseq ? -1 : view.indexOf(record.uid)
    if (place === -1) continue
    context.out.text(flagsFetch(place + 1, record, context.enabled))
    const pause = context.out.breathe()
    if (pause) await pause
  }
}
