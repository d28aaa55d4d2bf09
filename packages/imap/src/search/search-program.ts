// What SEARCH, SORT, THREAD and ESEARCH have in common in their arguments: return options, charset and keys.
import { parseItems } from '../fetch/fetch-item.ts'
import type { FetchItem } from '../fetch/fetch-item.ts'
import type { Cursor } from '../wire/cursor.ts'
import type { PartialRange } from '../wire/partial-range.ts'
import { fault } from '../wire/syntax-error.ts'
import { parseKey } from './search-key.ts'
import type { SearchKey } from './search-key.ts'

/** RFC 4731, RFC 5182 (SAVE), RFC 5267 (CONTEXT, UPDATE, PARTIAL), RFC 6203 (RELEVANCY). */
const OPTIONS = ['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'CONTEXT', 'UPDATE', 'PARTIAL', 'RELEVANCY'] as const

export type ReturnOption = (typeof OPTIONS)[number]

export interface ReturnOptions {
  names: ReadonlySet<ReturnOption>
  partial: PartialRange | undefined
  /** RFC 5465 §7: what is told of each message that joins an updated result. */
  updateItems: readonly FetchItem[]
}

export const CHARSETS: readonly string[] = ['US-ASCII', 'UTF-8']

/** `(MIN COUNT)` */
function parseOptions(cursor: Cursor): ReturnOptions {
  const names = new Set<ReturnOption>()
  let partial: PartialRange | undefined
  let updateItems: readonly FetchItem[] = []
  cursor.list(() => {
    const word = cursor.keyword()
    const name = OPTIONS.find((known) => known === word) ?? fault('there is no such return option')
    // RFC 5267 §4.4: one window, and nothing beside it that tells all.
    if (name === 'PARTIAL' ? partial !== undefined || names.has('ALL') : name === 'ALL' && partial !== undefined) {
      fault('PARTIAL stands once, and not beside ALL')
    }
    names.add(name)
    if (name === 'PARTIAL') {
      cursor.space()
      partial = cursor.partialRange()
    } else if (name === 'UPDATE' && cursor.seesText(' (')) {
      cursor.space()
      updateItems = parseItems(cursor)
    }
  }, true)
  // RFC 4731 §3.1: an empty list means ALL.
  if (names.size === 0) names.add('ALL')
  return { names, partial, updateItems }
}

/** `RETURN (…) `, where it is there. */
export function parseReturn(cursor: Cursor): ReturnOptions | undefined {
  if (!cursor.takeText('RETURN ')) return undefined
  const options = parseOptions(cursor)
  cursor.space()
  return options
}

/** Keys to the end; undefined where the charset is not known, and the rest could be in any bytes. */
export function parseKeys(cursor: Cursor, charset: string): SearchKey | undefined {
  if (!CHARSETS.includes(charset)) {
    cursor.skipAll()
    return undefined
  }
  const keys: SearchKey[] = []
  do keys.push(parseKey(cursor))
  while (cursor.take(' '))
  return { kind: 'and', keys }
}

/** `UTF-8 ` */
export function parseCharset(cursor: Cursor): string {
  const charset = cursor.astring().toUpperCase()
  cursor.space()
  return charset
}
