// FETCH and UID FETCH (RFC 9051 §6.4.5) with CHANGEDSINCE and VANISHED (RFC 7162 §3.1.4, §3.2.6).
// Works in blocks: what stands in the records goes out at once, bodies are read a few ahead and never pile up.
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import { AnswerWriter } from '../fetch/answer-writer.ts'
import type { FetchPlan, Fetched } from '../fetch/answer-writer.ts'
import { parseItems } from '../fetch/fetch-item.ts'
import type { FetchItem } from '../fetch/fetch-item.ts'
import type { Cursor } from '../wire/cursor.ts'
import { placesOf } from '../wire/partial-range.ts'
import type { PartialRange } from '../wire/partial-range.ts'
import { rangesBelow } from '../wire/sequence-set.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { newestOf } from '../message-limit.ts'
import { vanishedOf } from '../resync.ts'
import { findRecord } from '../view.ts'
import type { Span } from '../view.ts'
import { command, parseSet, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'

interface FetchArguments {
  set: SequenceSet
  items: readonly FetchItem[]
  changedSince: number | undefined
  vanished: boolean
  partial: PartialRange | undefined
}

function parseFetch(cursor: Cursor): FetchArguments {
  const set = parseSet(cursor)
  cursor.space()
  const items = parseItems(cursor)
  let changedSince: number | undefined
  let vanished = false
  let partial: PartialRange | undefined
  if (cursor.take(' ')) {
    cursor.list(() => {
      const name = cursor.keyword()
      if (name === 'VANISHED') {
        vanished = true
      } else if (name === 'PARTIAL') {
        cursor.space()
        partial = cursor.partialRange()
      } else if (name === 'CHANGEDSINCE') {
        cursor.space()
        changedSince = cursor.number63()
      } else fault('there is no such modifier')
    })
  }
  if (vanished && changedSince === undefined) fault('VANISHED needs CHANGEDSINCE')
  return { set, items, changedSince, vanished, partial }
}

/** What the items mean together. */
function planOf(context: Context, args: FetchArguments, numbering: Numbering): FetchPlan {
  const items = [...args.items]
  const has = (name: string) => items.some((item) => item.kind === 'record' && item.name === name)
  // A UIDFETCH answer begins with the UID (RFC 9586 §3.3).
  if (numbering === 'uid' && !has('UID') && !context.enabled.uidOnly) items.unshift({ kind: 'record', name: 'UID' })
  if (args.changedSince !== undefined && !has('MODSEQ')) items.push({ kind: 'record', name: 'MODSEQ' })
  if (has('MODSEQ')) context.enabled.condstore = true
  const setsSeen = items.some((item) => 'setsSeen' in item && item.setsSeen)
  const { enabled } = context
  const { view, mailboxes } = selectedOf(context)
  return {
    mailbox: view.mailbox,
    items,
    setsSeen: setsSeen && !view.readOnly && mailboxes.rights(view.mailbox).includes('s'),
    enabled,
    answers: context.answerCache.of(mailboxes.accountId, enabled.utf8),
  }
}

/** RFC 7162 §3.2.6: UIDs asked for that went away since the client looked. */
async function answerVanished(context: Context, set: SequenceSet, sinceModseq: number): Promise<void> {
  const { view, mailboxes } = selectedOf(context)
  const asked = rangesBelow(set, mailboxes.byId(view.mailbox)?.uidNext ?? 1)
  const gone = await vanishedOf(mailboxes, view, asked, sinceModseq)
  if (gone !== '') context.out.text(`* VANISHED (EARLIER) ${gone}\r\n`)
}

const RECORD_BLOCK = 2048
const BODY_BLOCK = 64

/** Records of one block; counts those that are gone. */
async function readBlock(context: Context, plan: FetchPlan, span: Span): Promise<{ fetched: Fetched[]; gone: number }> {
  const { mailboxes, view } = selectedOf(context)
  const collect = async () => {
    const live = await mailboxes.messages(view.mailbox)
    const fetched: Fetched[] = []
    for (let place = span.first; place <= span.last; place++) {
      const record = findRecord(live, view.uidAt(place), place)
      if (record !== undefined) fetched.push({ sequence: place + 1, record, nowSeen: false })
    }
    return fetched
  }
  let fetched = await collect()
  if (plan.setsSeen) {
    const unseen = fetched.filter(({ record }) => !record.flags.includes('\\Seen')).map(({ record }) => record.uid)
    if (unseen.length > 0) {
      const change = { mode: 'add', flags: ['\\Seen'] } as const
      await mailboxes.store(view.mailbox, unseen, change, { origin: context.origin })
      const changed = new Set(unseen)
      fetched = await collect()
      for (const one of fetched) one.nowSeen = changed.has(one.record.uid)
    }
  }
  return { fetched, gone: span.last - span.first + 1 - fetched.length }
}

async function fetchSpans(
  context: Context,
  plan: FetchPlan,
  spans: readonly Span[],
  changedSince: number | undefined,
): Promise<FetchResult> {
  const writer = new AnswerWriter(selectedOf(context).mailboxes, context.out, plan)
  const step = plan.items.every((item) => item.kind === 'record') ? RECORD_BLOCK : BODY_BLOCK
  let gone = 0
  let done = 0
  const goal = spans.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  for (const span of spans) {
    for (let first = span.first; first <= span.last; first += step) {
      const block = await readBlock(context, plan, { first, last: Math.min(span.last, first + step - 1) })
      gone += block.gone
      const wanted =
        changedSince === undefined ? block.fetched : block.fetched.filter(({ record }) => record.modseq > changedSince)
      await writer.write(wanted)
      done += block.fetched.length + block.gone
      context.progress.tick(done, goal)
      const pause = context.out.breathe()
      if (pause) await pause
    }
  }
  return { gone: gone + writer.gone, damaged: writer.damaged, undecodable: writer.undecodable }
}

interface FetchResult {
  gone: number
  damaged: number
  undecodable: number
}

function outcome(numbering: Numbering, code: string | undefined, { gone, damaged, undecodable }: FetchResult): Reply {
  // RFC 3516 §4.3.
  if (undecodable > 0) return no('A part is encoded in a way that is not known', 'UNKNOWN-CTE')
  if (damaged > 0) return no('Some of the messages are damaged; the log says which', 'CORRUPTION')
  // RFC 2180 §4.1.2; a UID that is not there is no error (RFC 9051 §6.4.9).
  if (gone > 0 && numbering === 'sequence') return no('Some of the messages are gone', 'EXPUNGEISSUED')
  return ok('Fetched', code)
}

/** Of the messages named, those that the range means. */
function partOf(spans: readonly Span[], range: PartialRange): Span[] {
  const count = spans.reduce((sum, { first, last }) => sum + last - first + 1, 0)
  const { start, end } = placesOf(range, count)
  const part: Span[] = []
  let before = 0
  for (const { first, last } of spans) {
    const from = first + Math.max(0, start - before)
    const to = Math.min(last, first + end - before - 1)
    if (from <= to) part.push({ first: from, last: to })
    before += last - first + 1
  }
  return part
}

function fetchCommand(name: string, numbering: Numbering): Command {
  return command<FetchArguments>({
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true as const } : {}),
    parse: parseFetch,
    async run(context, args) {
      const { view } = selectedOf(context)
      if (args.vanished && args.set.kind === 'saved') fault('VANISHED needs UIDs')
      if (args.vanished && (numbering !== 'uid' || !context.enabled.qresync)) {
        fault('VANISHED needs UID FETCH and ENABLE QRESYNC')
      }
      const plan = planOf(context, args, numbering)
      // RFC 9394 §3.3.
      if (args.partial !== undefined && numbering !== 'uid') fault('PARTIAL needs UID FETCH')
      const named = view.spans(args.set, numbering)
      const part = args.partial === undefined ? named : partOf(named, args.partial)
      const { spans, code } = newestOf(view, part, context.limits)
      if (args.vanished) await answerVanished(context, args.set, args.changedSince ?? 0)
      return outcome(numbering, code, await fetchSpans(context, plan, spans, args.changedSince))
    },
  })
}

export const fetch = fetchCommand('FETCH', 'sequence')
export const uidFetch = fetchCommand('UID FETCH', 'uid')
