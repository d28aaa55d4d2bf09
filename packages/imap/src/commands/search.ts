// SEARCH and UID SEARCH (RFC 9051 §6.4.4), ESEARCH (RFC 4731), SEARCHRES (RFC 5182), MODSEQ (RFC 7162 §3.1.5).
import { no, ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatString } from '../wire/encode.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { runSearch } from '../search/run-search.ts'
import type { Hit } from '../search/run-search.ts'
import { keyHas, parseKey } from '../search/search-key.ts'
import type { SearchKey } from '../search/search-key.ts'
import { command, selected, selectedOf } from './command.ts'
import type { Command, Context, Numbering } from './command.ts'

type ReturnOption = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE'

interface SearchArguments {
  /** Undefined for the old form of answer. */
  returned: ReadonlySet<ReturnOption> | undefined
  charset: string
  key: SearchKey
}

const ALL: ReadonlySet<ReturnOption> = new Set(['ALL'])
const OPTIONS: readonly string[] = ['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE']
const CHARSETS: readonly string[] = ['US-ASCII', 'UTF-8']

function parseReturn(cursor: Cursor): ReadonlySet<ReturnOption> {
  const names = cursor.list(() => {
    const name = cursor.keyword()
    return OPTIONS.includes(name) ? (name as ReturnOption) : fault('there is no such return option')
  }, true)
  // RFC 4731 §3.1: an empty list means ALL.
  return new Set(names.length === 0 ? ['ALL'] : names)
}

function parseSearch(cursor: Cursor): SearchArguments {
  let returned: ReadonlySet<ReturnOption> | undefined
  let charset = 'US-ASCII'
  cursor.space()
  if (cursor.takeText('RETURN ')) {
    returned = parseReturn(cursor)
    cursor.space()
  }
  if (cursor.takeText('CHARSET ')) {
    charset = cursor.astring().toUpperCase()
    cursor.space()
    // What follows could be in any bytes: it is not looked at.
    if (!CHARSETS.includes(charset)) return { returned, charset, key: ignoreRest(cursor) }
  }
  const keys: SearchKey[] = []
  do keys.push(parseKey(cursor))
  while (cursor.take(' '))
  return { returned, charset, key: { kind: 'and', keys } }
}

function ignoreRest(cursor: Cursor): SearchKey {
  cursor.skipAll()
  return { kind: 'none' }
}

function answerOld(context: Context, hits: readonly Hit[], numbering: Numbering, modseq: boolean): void {
  context.out.text('* SEARCH')
  for (const hit of hits) context.out.text(` ${numbering === 'uid' ? hit.uid : hit.place + 1}`)
  if (modseq && hits.length > 0) context.out.text(` (MODSEQ ${highestModseq(hits)})`)
  context.out.text('\r\n')
}

function highestModseq(hits: readonly Hit[]): number {
  let highest = 0
  for (const hit of hits) if (hit.modseq > highest) highest = hit.modseq
  return highest
}

/** The messages that MIN, MAX and SAVE speak of (RFC 5182 §2.1: MIN or MAX alone save only those). */
function savedHits(hits: readonly Hit[], returned: ReadonlySet<ReturnOption>): readonly Hit[] {
  if (returned.has('ALL') || returned.has('COUNT')) return hits
  const ends = [returned.has('MIN') ? hits[0] : undefined, returned.has('MAX') ? hits.at(-1) : undefined]
  const kept = [...new Set(ends)].filter((hit) => hit !== undefined)
  return returned.has('MIN') || returned.has('MAX') ? kept : hits
}

function answerExtended(
  context: Context,
  hits: readonly Hit[],
  numbering: Numbering,
  returned: ReadonlySet<ReturnOption>,
  modseq: boolean,
): void {
  const number = (hit: Hit) => (numbering === 'uid' ? hit.uid : hit.place + 1)
  const first = hits[0]
  const last = hits.at(-1)
  let text = `* ESEARCH (TAG ${formatString(context.tag)})${numbering === 'uid' ? ' UID' : ''}`
  if (first !== undefined && last !== undefined) {
    if (returned.has('MIN')) text += ` MIN ${number(first)}`
    if (returned.has('MAX')) text += ` MAX ${number(last)}`
    if (returned.has('ALL')) text += ` ALL ${formatNumbers(hits.map(number))}`
  }
  if (returned.has('COUNT')) text += ` COUNT ${hits.length}`
  // RFC 4731 §3.2: of the messages that are told of.
  if (modseq && hits.length > 0) text += ` MODSEQ ${highestModseq(savedHits(hits, returned))}`
  context.out.text(`${text}\r\n`)
}

function searchCommand(name: string, numbering: Numbering): Command {
  return command<SearchArguments>({
    name,
    states: selected,
    ...(numbering === 'sequence' ? { keepsNumbers: true as const } : {}),
    parse: parseSearch,
    async run(context, { returned: asked, charset, key }) {
      // RFC 9051 §6.4.4: the old form of answer is gone.
      const returned = asked ?? (context.enabled.rev2 ? ALL : undefined)
      const { mailboxes, view } = selectedOf(context)
      const saves = returned?.has('SAVE') === true
      if (!CHARSETS.includes(charset)) {
        if (saves) view.savedSearch = []
        return no('That charset is not known', `BADCHARSET (${CHARSETS.join(' ')})`)
      }
      const modseq = keyHas(key, ({ kind }) => kind === 'modseq')
      if (modseq) context.enabled.condstore = true
      const nowMs = context.services.clock.nowMs()
      const hits = await runSearch(
        { mailboxes, view, out: context.out, nowMs, textIndex: context.services.textIndex },
        key,
      )
      if (returned === undefined) {
        answerOld(context, hits, numbering, modseq)
        return ok('Searched')
      }
      if (saves) view.savedSearch = savedHits(hits, returned).map((hit) => hit.uid)
      // RFC 5182 §2.1: SAVE alone answers nothing.
      if (!saves || returned.size > 1) answerExtended(context, hits, numbering, returned, modseq)
      return ok('Searched')
    },
  })
}

export const search = searchCommand('SEARCH', 'sequence')
export const uidSearch = searchCommand('UID SEARCH', 'uid')
