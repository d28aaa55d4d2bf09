// SORT's criteria (RFC 5256 §3, RFC 5957, RFC 6203 §6) as values, read from the command.
import type { Cursor } from '../wire/cursor.ts'
import { fault } from '../wire/syntax-error.ts'
import type { WordName } from './message-words.ts'

export type SortKeyName =
  | 'ARRIVAL'
  | 'DATE'
  | 'SIZE'
  | 'RELEVANCY'
  | 'CC'
  | 'FROM'
  | 'TO'
  | 'SUBJECT'
  | 'DISPLAYFROM'
  | 'DISPLAYTO'

export interface SortCriterion {
  key: SortKeyName
  reverse: boolean
}

/** What of the parsed message a key looks at; absent: its record, or its relevancy, is enough. */
export const wordOfKey: Readonly<Record<SortKeyName, WordName | undefined>> = {
  ARRIVAL: undefined,
  SIZE: undefined,
  RELEVANCY: undefined,
  DATE: 'sent',
  CC: 'cc',
  FROM: 'from',
  TO: 'to',
  SUBJECT: 'subject',
  DISPLAYFROM: 'displayFrom',
  DISPLAYTO: 'displayTo',
}

/** `(REVERSE DATE SUBJECT)`. A key that comes again says nothing new. */
export function parseSortCriteria(cursor: Cursor): SortCriterion[] {
  const criteria = new Map<SortKeyName, SortCriterion>()
  cursor.list(() => {
    let name = cursor.keyword()
    const reverse = name === 'REVERSE'
    if (reverse) {
      cursor.space()
      name = cursor.keyword()
    }
    if (!Object.hasOwn(wordOfKey, name)) fault('there is no such sort key')
    const key = name as SortKeyName
    if (!criteria.has(key)) criteria.set(key, { key, reverse })
  })
  return [...criteria.values()]
}
