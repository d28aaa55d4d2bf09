// Puts found messages in the order that SORT was asked for (RFC 5256 §3): ties go by their place in the mailbox.
import type { MessageRecord } from '@skein/mailboxes'
import type { Hit } from '../search/run-search.ts'
import type { Output } from '../output.ts'
import { findRecord } from '../view.ts'
import { inTurns, pacedSort } from './paced.ts'
import type { SortCriterion } from './sort-criteria.ts'
import { wordOfKey } from './sort-criteria.ts'
import { wordsOf } from './words-of-hits.ts'
import type { WordGround } from './words-of-hits.ts'

const BLOCK = 4096

/** The hits' records; what has gone meanwhile stays, with nothing to sort it by. */
export async function recordsOf(
  out: Output,
  hits: readonly Hit[],
  live: readonly MessageRecord[],
): Promise<MessageRecord[]> {
  const records: MessageRecord[] = []
  for (const { uid, place } of hits) {
    records.push(findRecord(live, uid, place) ?? { ...gone, uid })
    if (records.length % BLOCK > 0) continue
    const pause = out.breathe()
    if (pause) await pause
  }
  return records
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

/**
 * @param relevancy by UID, 1 to 100 (RFC 6203 §4).
 * @returns places in `records`, in order.
 */
export async function sortRecords(
  ground: WordGround,
  records: readonly MessageRecord[],
  criteria: readonly SortCriterion[],
  relevancy: ReadonlyMap<number, number> | undefined,
): Promise<Uint32Array> {
  const compares: Compare[] = []
  for (const { key, reverse } of criteria) {
    const compare = await comparison(ground, records, key, relevancy)
    compares.push(reverse ? (a, b) => compare(b, a) : compare)
  }
  const [first, ...further] = compares
  const compareAll = (a: number, b: number): number => {
    let found = first?.(a, b) ?? 0
    for (let at = 0; found === 0 && at < further.length; at++) found = (further[at] as Compare)(a, b)
    return found === 0 ? a - b : found
  }
  return inTurns(ground.out, pacedSort(Uint32Array.from(records.keys()), compareAll))
}

async function comparison(
  ground: WordGround,
  records: readonly MessageRecord[],
  key: SortCriterion['key'],
  relevancy: ReadonlyMap<number, number> | undefined,
): Promise<Compare> {
  const numbers = new Float64Array(records.length)
  const name = wordOfKey[key]
  const column = name === undefined ? [] : (await wordsOf(ground, records, [name]))[name]
  if (name !== undefined && name !== 'sent') return byText(column as string[])
  for (const [at, record] of records.entries()) {
    if (name === 'sent') numbers[at] = sentMs(column[at] as number, record)
    else if (key === 'ARRIVAL') numbers[at] = record.internalDateMs
    else if (key === 'SIZE') numbers[at] = record.size
    // RFC 6203 §6: the most relevant first.
    else numbers[at] = -(relevancy?.get(record.uid) ?? 100)
    if (at % BLOCK > 0) continue
    const pause = ground.out.breathe()
    if (pause) await pause
  }
  return byNumber(numbers)
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
