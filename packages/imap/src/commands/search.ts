// SEARCH and UID SEARCH (RFC 9051 §6.4.4), SORT and UID SORT (RFC 5256 §3, RFC 5957), with the return options of
// ESEARCH (RFC 4731), SEARCHRES (RFC 5182), ESORT and contexts (RFC 5267), PARTIAL (RFC 9394), FUZZY (RFC 6203), and
// MODSEQ (RFC 7162 §3.1.5).
import type { AccountMailboxes } from '@skein/mailboxes'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatString } from '../wire/encode.ts'
import { extendedAnswer, oldAnswer, savedHits } from '../search/search-answer.ts'
import type { Result } from '../search/search-answer.ts'
import { runSearch } from '../search/run-search.ts'
import type { Hit, SearchGround } from '../search/run-search.ts'
import { CHARSETS, parseCharset, parseKeys, parseReturn } from '../search/search-program.ts'
import type { ReturnOptions } from '../search/search-program.ts'
import { keyHas } from '../search/search-key.ts'
import type { SearchKey } from '../search/search-key.ts'
import { parseSortCriteria } from '../sort/sort-criteria.ts'
import type { SortCriterion } from '../sort/sort-criteria.ts'
import { sortable, sortHits } from '../sort/sort-hits.ts'
import type { MailboxView } from '../view.ts'
import { command, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'

export interface SearchArguments {
  /** Undefined for the old form of answer. */
  returned: ReturnOptions | undefined
  /** Undefined for the order of the mailbox. */
  criteria: readonly SortCriterion[] | undefined
  /** Undefined where the charset is not known. */
  key: SearchKey | undefined
}

const ALL: ReturnOptions = { names: new Set(['ALL']), partial: undefined, updateItems: [] }

function parseSearch(cursor: Cursor): SearchArguments {
  cursor.space()
  const returned = parseReturn(cursor)
  const charset = cursor.takeText('CHARSET ') ? parseCharset(cursor) : 'US-ASCII'
  return { returned, criteria: undefined, key: parseKeys(cursor, charset) }
}

function parseSort(cursor: Cursor): SearchArguments {
  cursor.space()
  const returned = parseReturn(cursor)
  const criteria = parseSortCriteria(cursor)
  cursor.space()
  return { returned, criteria, key: parseKeys(cursor, parseCharset(cursor)) }
}

/** What a search of that mailbox goes by. */
export function searchGround(context: Context, mailboxes: AccountMailboxes, view: MailboxView): SearchGround {
  const { clock, textIndex } = context.services
  return { mailboxes, view, out: context.out, nowMs: clock.nowMs(), textIndex }
}

/** All that fits, in the order asked for. */
async function find(context: Context, key: SearchKey, criteria: SearchArguments['criteria']): Promise<readonly Hit[]> {
  const { mailboxes, view } = selectedOf(context)
  const { out, wordCache: words } = context
  const hits = await runSearch(searchGround(context, mailboxes, view), key)
  if (criteria === undefined) return hits
  const sortables = sortable(hits, await mailboxes.messages(view.mailbox))
  const order = await sortHits({ mailboxes, words, out }, sortables, criteria)
  return Array.from(order, (at) => hits[at] as Hit)
}

export function unknownCharset(): Reply {
  return no('That charset is not known', `BADCHARSET (${CHARSETS.join(' ')})`)
}

async function tell(context: Context, texts: Iterable<string>): Promise<void> {
  for (const text of texts) {
    context.out.text(text)
    const pause = context.out.breathe()
    if (pause) await pause
  }
}

function searchCommand(name: string, numbering: Numbering, parse: (cursor: Cursor) => SearchArguments): Command {
  return command<SearchArguments>({
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true as const } : {}),
    parse,
    async run(context, { returned: asked, criteria, key }) {
      // RFC 9051 §6.4.4: the old form of answer is gone; SORT is not of that RFC.
      const returned = asked ?? (context.enabled.rev2 && criteria === undefined ? ALL : undefined)
      const { view } = selectedOf(context)
      const saves = returned?.names.has('SAVE') === true
      if (key === undefined) {
        if (saves) view.savedSearch = []
        return unknownCharset()
      }
      const modseq = keyHas(key, ({ kind }) => kind === 'modseq')
      if (modseq) context.enabled.condstore = true
      const hits = await find(context, key, criteria)
      const result: Result = { hits, numbering, modseq }
      if (returned === undefined) {
        await tell(context, oldAnswer(criteria === undefined ? 'SEARCH' : 'SORT', result))
        return ok('Searched')
      }
      if (saves)
        view.savedSearch = savedHits(hits, returned)
          .map((hit) => hit.uid)
          .sort((a, b) => a - b)
      // RFC 5182 §2.1: SAVE alone answers nothing.
      if (!saves || returned.names.size > 1) {
        await tell(context, [extendedAnswer(`TAG ${formatString(context.tag)}`, result, returned)])
      }
      return ok('Searched')
    },
  })
}

export const search = searchCommand('SEARCH', 'sequence', parseSearch)
export const uidSearch = searchCommand('UID SEARCH', 'uid', parseSearch)
export const sort = searchCommand('SORT', 'sequence', parseSort)
export const uidSort = searchCommand('UID SORT', 'uid', parseSort)
