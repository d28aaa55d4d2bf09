// How results are told: `* SEARCH`, `* SORT`, and `* ESEARCH` with the items that were asked for (RFC 4731, RFC 5267).
import type { Numbering } from '../commands/command.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import { placesOf } from '../wire/partial-range.ts'
import type { Hit } from './run-search.ts'
import type { ReturnOptions } from './search-program.ts'

export interface Result {
  /** In the order in which they are told: of the mailbox, or as sorted. */
  hits: readonly Hit[]
  numbering: Numbering
  /** The search had a MODSEQ key: the highest is told (RFC 7162 §3.1.5). */
  modseq: boolean
  /** RFC 6203 §4, in the order of `hits`. */
  relevancy?: readonly number[] | undefined
}

export function numberOf(hit: Hit, numbering: Numbering): number {
  return numbering === 'uid' ? hit.uid : hit.place + 1
}

export function highestModseq(hits: readonly Hit[]): number {
  let highest = 0
  for (const hit of hits) if (hit.modseq > highest) highest = hit.modseq
  return highest
}

/** `* SEARCH 2 5` and `* SORT 5 2` */
export function* oldAnswer(name: 'SEARCH' | 'SORT', { hits, numbering, modseq }: Result): Generator<string> {
  let text = `* ${name}`
  for (const hit of hits) {
    text += ` ${numberOf(hit, numbering)}`
    if (text.length < TEXT_BYTES) continue
    yield text
    text = ''
  }
  yield `${text}${modseq && hits.length > 0 ? ` (MODSEQ ${highestModseq(hits)})` : ''}\r\n`
}

const TEXT_BYTES = 16 * 1024

/** The messages that MIN, MAX, PARTIAL and SAVE speak of (RFC 5182 §2.1, RFC 9394 §3.2). */
export function savedHits(hits: readonly Hit[], { names, partial }: ReturnOptions): readonly Hit[] {
  const few = names.has('MIN') || names.has('MAX') || partial !== undefined
  if (!few || names.has('ALL') || names.has('COUNT')) return hits
  const kept = new Set<Hit>()
  if (names.has('MIN') && hits[0] !== undefined) kept.add(hits[0])
  if (partial !== undefined) {
    const { start, end } = placesOf(partial, hits.length)
    for (const hit of hits.slice(start, end)) kept.add(hit)
  }
  const last = hits.at(-1)
  if (names.has('MAX') && last !== undefined) kept.add(last)
  return [...kept]
}

/** @param correlator what stands in the parentheses: the tag, and maybe the mailbox. */
export function extendedAnswer(correlator: string, result: Result, options: ReturnOptions): string {
  const { hits, numbering } = result
  const { names, partial } = options
  const first = hits[0]
  const last = hits.at(-1)
  let text = `* ESEARCH (${correlator})${numbering === 'uid' ? ' UID' : ''}`
  if (first !== undefined && last !== undefined) {
    if (names.has('MIN')) text += ` MIN ${numberOf(first, numbering)}`
    if (names.has('MAX')) text += ` MAX ${numberOf(last, numbering)}`
    if (names.has('ALL')) text += ` ALL ${formatNumbers(numbersOf(hits, numbering))}`
  }
  if (names.has('COUNT')) text += ` COUNT ${hits.length}`
  if (partial !== undefined) {
    const { start, end } = placesOf(partial, hits.length)
    text += ` PARTIAL (${partial.text} ${formatNumbers(numbersOf(hits.slice(start, end), numbering)) || 'NIL'})`
  }
  if (names.has('RELEVANCY') && hits.length > 0) text += ` RELEVANCY (${(result.relevancy ?? []).join(' ')})`
  // RFC 4731 §3.2: of the messages that are told of.
  if (result.modseq && hits.length > 0) text += ` MODSEQ ${highestModseq(savedHits(hits, options))}`
  return `${text}\r\n`
}

function* numbersOf(hits: readonly Hit[], numbering: Numbering): Generator<number> {
  for (const hit of hits) yield numberOf(hit, numbering)
}
