// SEARCH and UID SEARCH (RFC 9051 §6.4.4), SORT and UID SORT (RFC 5256 §3, RFC 5957), with the return options of
// ESEARCH (RFC 4731), SEARCHRES (RFC 5182), ESORT and contexts (RFC 5267), PARTIAL (RFC 9394), FUZZY (RFC 6203), and
// MODSEQ (RFC 7162 §3.1.5).
import { searchStart } from '../message-limit.ts'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatString } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { findMessages, wantsRelevancy } from '../search/find-messages.ts'
import { extendedAnswer, oldAnswer, savedHits } from '../search/search-answer.ts'
import type { Result } from '../search/search-answer.ts'
import { contextsOf } from '../search/search-contexts.ts'
import { CHARSETS, parseCharset, parseKeys, parseReturn } from '../search/search-program.ts'
import type { ReturnOptions } from '../search/search-program.ts'
import { keyHas } from '../search/search-key.ts'
import type { SearchKey } from '../search/search-key.ts'
import { parseSortCriteria } from '../sort/sort-criteria.ts'
import type { SortCriterion } from '../sort/sort-criteria.ts'
import { command, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'

interface SearchArguments {
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

export function tooManyToSort(context: Context): Reply {
  return no('The mailbox is too large for that', `MESSAGELIMIT ${context.limits.messagesPerCommandMax}`)
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

/** What is kept up to date from now on, where the command asks for that (RFC 5267 §4.3). */
function followed(context: Context, key: SearchKey, { returned, criteria }: SearchArguments, numbering: Numbering) {
  if (returned?.names.has('UPDATE') !== true) return undefined
  const contexts = contextsOf(context)
  if (contexts.has(context.tag)) fault('that tag has a context already')
  const items = returned.updateItems
  const opened = contexts.open(context.tag, { numbering, key, criteria, items })
  if (opened === undefined) context.out.text(`* NO [NOUPDATE ${formatString(context.tag)}] Too many contexts\r\n`)
  return opened
}

function searchCommand(name: string, numbering: Numbering, parse: (cursor: Cursor) => SearchArguments): Command {
  return command<SearchArguments>({
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true as const } : {}),
    parse,
    async run(context, args) {
      const { returned: asked, criteria, key } = args
      // RFC 9051 §6.4.4: the old form of answer is gone; SORT is not of that RFC.
      const returned = asked ?? (context.enabled.rev2 && criteria === undefined ? ALL : undefined)
      const searched = selectedOf(context)
      const { view } = searched
      const saves = returned?.names.has('SAVE') === true
      if (key === undefined) {
        if (saves) view.savedSearch = []
        return unknownCharset()
      }
      const modseq = keyHas(key, ({ kind }) => kind === 'modseq')
      if (modseq) context.enabled.condstore = true
      const { code: cut } = searchStart(view, key, context.limits)
      // RFC 9738 §3.3: what is sorted is sorted whole.
      if (cut !== undefined && criteria !== undefined) return tooManyToSort(context)
      const withRelevancy = wantsRelevancy(key, returned?.names.has('RELEVANCY') === true, criteria ?? [])
      const opened = followed(context, key, args, numbering)
      const { hits, relevancy } = await findMessages(context, searched, key, criteria, withRelevancy).catch(
        (error: unknown) => {
          if (opened !== undefined) contextsOf(context).close(context.tag)
          throw error
        },
      )
      opened?.begin(hits, relevancy)
      const result: Result = {
        hits,
        numbering,
        modseq,
        relevancy: relevancy && hits.map(({ uid }) => relevancy.get(uid) ?? 100),
      }
      if (returned === undefined) {
        await tell(context, oldAnswer(criteria === undefined ? 'SEARCH' : 'SORT', result))
        return ok('Searched', cut)
      }
      if (saves) {
        const uids = savedHits(hits, returned).map((hit) => hit.uid)
        view.savedSearch = uids.sort((a, b) => a - b)
      }
      // RFC 5182 §2.1: SAVE alone answers nothing.
      if (!saves || returned.names.size > 1) {
        await tell(context, [extendedAnswer(`TAG ${formatString(context.tag)}`, result, returned)])
      }
      return ok('Searched', cut)
    },
  })
}

export const search = searchCommand('SEARCH', 'sequence', parseSearch)
export const uidSearch = searchCommand('UID SEARCH', 'uid', parseSearch)
export const sort = searchCommand('SORT', 'sequence', parseSort)
export const uidSort = searchCommand('UID SORT', 'uid', parseSort)
