// Which messages of one segment a query finds: by terms where they say it all, else by the text of those that may.
import { isMachineField } from '@skein/mail'
import type { PreparedQuery } from './letter.ts'
import { maskOf, packedHas } from './letter.ts'
import { LetterState } from './segment-writer.ts'
import type { Segment } from './segment.ts'
import { probeOf } from './terms.ts'
import type { Demand } from './terms.ts'
import type { VocabularyCache } from './vocabulary.ts'

/** UIDs, ascending. */
export interface Findings {
  hits: number[][]
  unsure: number[]
}

/** Texts looked at between pauses. */
const TEXTS_AT_ONCE = 16

/** Pauses by `yield`. */
export function* findInSegment(
  segment: Segment,
  mailbox: number,
  queries: readonly PreparedQuery[],
  cache: VocabularyCache,
  found: Findings,
): Generator<void, void> {
  const { mailboxes, states, gone, uids } = segment
  let present = false
  for (let letter = 0; letter < mailboxes.length; letter++) {
    if (mailboxes[letter] !== mailbox || gone[letter] === 1) continue
    present = true
    if (states[letter] === LetterState.unsure) found.unsure.push(uids[letter] as number)
  }
  if (!present) return
  for (const [which, query] of queries.entries()) {
    yield* findOne(segment, mailbox, query, cache, found.hits[which] as number[])
  }
  segment.rest()
}

function* findOne(
  segment: Segment,
  mailbox: number,
  query: PreparedQuery,
  cache: VocabularyCache,
  hits: number[],
): Generator<void, void> {
  const { mailboxes, states, gone, uids } = segment
  const { demands, exact } = demandsOf(query)
  const everything = query.text === '' && query.field !== 'header'
  const marks = demands.length === 0 ? undefined : yield* meetingAll(segment, demands, cache)
  const mask = maskOf(query.field)
  let texts = 0
  for (let letter = 0; letter < mailboxes.length; letter++) {
    if (mailboxes[letter] !== mailbox || gone[letter] === 1 || states[letter] === LetterState.unsure) continue
    const textOnly = states[letter] === LetterState.textOnly
    const may = marks === undefined || ((marks[letter] as number) & mask) !== 0
    if (!may && !textOnly) continue
    const sure = everything || (may && exact && marks !== undefined)
    if (sure || packedHas(segment.text(letter), query)) hits.push(uids[letter] as number)
    if (!sure && ++texts % TEXTS_AT_ONCE === 0) yield
  }
}

function demandsOf(query: PreparedQuery): { demands: Demand[]; exact: boolean } {
  if (query.field === 'header' && isMachineField(query.name)) return { demands: [], exact: false }
  const probe = probeOf(query.text)
  if (query.field !== 'header') return probe
  // The name stands whole, between a line's start and a colon.
  return { demands: [...probeOf(`\n${query.name}: `).demands, ...probe.demands], exact: false }
}

/** Bits by message: parts of it in which every demand is met. */
function* meetingAll(
  segment: Segment,
  demands: readonly Demand[],
  cache: VocabularyCache,
): Generator<void, Uint8Array> {
  let all: Uint8Array | undefined
  for (const demand of demands) {
    const marks = yield* segment.marks(demand, cache)
    if (all === undefined) all = marks
    else for (let letter = 0; letter < all.length; letter++) (all[letter] as number) &= marks[letter] as number
    if (!all.some((bits) => bits !== 0)) break
  }
  return all as Uint8Array
}
