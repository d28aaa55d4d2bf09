// Puts found messages in the order that SORT was asked for (RFC 5256 §3): ties go by their place in the mailbox.
import type { MessageRecord } from '@skein/mailboxes'
import type { Hit } from '../search/run-search.ts'
import { findRecord } from '../view.ts'
import { inTurns, pacedSort } from './paced.ts'
import type { SortCriterion } from './sort-criteria.ts'
import { wordOfKey } from './sort-criteria.ts'
import { wordsOf } from './words-of-hits.ts'
import type { WordGround } from './words-of-hits.ts'

/** One message to be put in order. */
export interface Sortable {
  place: number
  record: MessageRecord
  /** 1 to 100 (RFC 6203 §4). */
  relevancy: number
}

/** The hits with their records; what has gone meanwhile stays, with nothing to sort it by. */
export function sortable(
  hits: readonly Hit[],
  live: readonly MessageRecord[],
  relevancy?: ReadonlyMap<number, number>,
): Sortable[] {
  return hits.map(({ place, uid }) => ({
    place,
    record: findRecord(live, uid, place) ?? { ...gone, uid },
    relevancy: relevancy?.get(uid) ?? 100,
  }))
}

const gone: MessageRecord = {
  uid: 0,
  modseq: 0,
  flags: [],
  internalDateMs: 0,
  size: 0,
  blob: { segment: 0, offset: 0, length: 0 },
  emailId: '',
  threadId: '',
  savedDateMs: 0,
}

type Compare = (a: number, b: number) => number

/** @returns places in `hits`, in order. */
export async function sortHits(
  ground: WordGround,
  hits: readonly Sortable[],
  criteria: readonly SortCriterion[],
): Promise<Uint32Array> {
  const compares: Compare[] = []
  const records = hits.map((hit) => hit.record)
  for (const { key, reverse } of criteria) {
    const compare = await comparison(ground, hits, records, key)
    compares.push(reverse ? (a, b) => compare(b, a) : compare)
  }
  const [first, ...further] = compares
  const compareAll = (a: number, b: number): number => {
    let found = first?.(a, b) ?? 0
    for (let at = 0; found === 0 && at < further.length; at++) found = (further[at] as Compare)(a, b)
    return found === 0 ? a - b : found
  }
  return inTurns(ground.out, pacedSort(Uint32Array.from(hits.keys()), compareAll))
}

async function comparison(
  ground: WordGround,
  hits: readonly Sortable[],
  records: readonly MessageRecord[],
  key: SortCriterion['key'],
): Promise<Compare> {
  if (key === 'ARRIVAL') return byNumber(Float64Array.from(records, (record) => record.internalDateMs))
  if (key === 'SIZE') return byNumber(Float64Array.from(records, (record) => record.size))
  // RFC 6203 §6: the most relevant first.
  if (key === 'RELEVANCY') return byNumber(Float64Array.from(hits, (hit) => -hit.relevancy))
  const name = wordOfKey[key]
  if (name === undefined) return () => 0
  const column = (await wordsOf(ground, records, [name]))[name]
  if (name === 'sent') {
    return byNumber(Float64Array.from(records, (record, at) => sentMs(column[at] as number, record)))
  }
  return byText(column as string[])
}

/** RFC 5256 §2.2: where no Date can be read, the internal date. */
export function sentMs(sent: number, record: MessageRecord): number {
  return Number.isNaN(sent) ? record.internalDateMs : sent
}

function byNumber(numbers: Float64Array): Compare {
  return (a, b) => (numbers[a] as number) - (numbers[b] as number)
}

function byText(texts: readonly string[]): Compare {
  return (a, b) => {
    const one = texts[a] as string
    const other = texts[b] as string
    return one === other ? 0 : one < other ? -1 : 1
  }
}
