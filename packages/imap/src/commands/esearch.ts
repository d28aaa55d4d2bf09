// ESEARCH (RFC 7377): one search over many mailboxes, answered mailbox by mailbox.
import { no, ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatMailbox, formatString } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { listMailboxes, shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { matchesFilter, parseMailboxFilter, patternsOf } from '../mailbox-filter.ts'
import type { FilterKind, MailboxFilter } from '../mailbox-filter.ts'
import { findMessages, wantsRelevancy } from '../search/find-messages.ts'
import type { Searched } from '../search/find-messages.ts'
import { keyHas } from '../search/search-key.ts'
import type { SearchKey } from '../search/search-key.ts'
import { extendedAnswer, savedHits } from '../search/search-answer.ts'
import { parseCharset, parseKeys, parseReturn } from '../search/search-program.ts'
import type { ReturnOptions } from '../search/search-program.ts'
import { MailboxView } from '../view.ts'
import { command, loggedIn } from './command.ts'
import type { Context } from './command.ts'
import { unknownCharset } from './search.ts'

const KINDS: readonly FilterKind[] = [
  'SELECTED',
  'INBOXES',
  'PERSONAL',
  'SUBSCRIBED',
  'SUBTREE',
  'SUBTREE-ONE',
  'MAILBOXES',
]

interface EsearchArguments {
  filters: readonly MailboxFilter[]
  returned: ReturnOptions
  key: SearchKey | undefined
}

function parseEsearch(cursor: Cursor): EsearchArguments {
  cursor.space()
  let filters: readonly MailboxFilter[] = [{ kind: 'SELECTED' }]
  if (cursor.takeText('IN ')) {
    filters = cursor.list(() => (cursor.sees('(') ? fault('no scope is known') : parseMailboxFilter(cursor, KINDS)))
    cursor.space()
  }
  const returned = parseReturn(cursor) ?? { names: new Set(['ALL']), partial: undefined, updateItems: [] }
  const charset = cursor.takeText('CHARSET ') ? parseCharset(cursor) : 'US-ASCII'
  return { filters, returned, key: parseKeys(cursor, charset) }
}

interface Source extends Searched {
  access: MailboxAccess
  selected: boolean
}

/** Each mailbox once; those that the client may not read are passed over (RFC 7377 §2.2). */
async function* sources(context: Context, filters: readonly MailboxFilter[]): AsyncGenerator<Source> {
  const { state } = context
  const view = state.kind === 'selected' ? state.view : undefined
  for (const access of await listMailboxes(context, patternsOf(filters))) {
    const { mailboxes, record } = access
    const selected = view?.mailbox === record.id
    const wanted = filters.some((filter) => (filter.kind === 'SELECTED' ? selected : matchesFilter(filter, access)))
    if (!wanted || !access.rights.includes('r') || mailboxes.byId(record.id) === undefined) continue
    if (selected && view !== undefined) yield { access, mailboxes, view, selected }
    else {
      const live = await mailboxes.messages(record.id)
      yield { access, mailboxes, view: new MailboxView(record, true, live, context.origin), selected }
    }
  }
}

/** Sequence numbers, saved results and their like have a meaning in the selected mailbox only (RFC 7377 §2.1). */
function checkScope(context: Context, { filters, returned, key }: EsearchArguments): void {
  const others = filters.some(({ kind }) => kind !== 'SELECTED')
  if (!others && context.state.kind !== 'selected') fault('no mailbox is selected')
  if (!others || key === undefined) return
  if (returned.names.has('SAVE')) fault('SAVE is for the selected mailbox')
  const bound = (inner: SearchKey) =>
    inner.kind === 'messages' && (inner.by === 'sequence' || inner.set.kind === 'saved')
  if (keyHas(key, bound)) fault('sequence numbers and $ are for the selected mailbox')
}

export const esearch = command<EsearchArguments>({
  name: 'ESEARCH',
  states: loggedIn,
  parse: parseEsearch,
  async run(context, args) {
    const { filters, returned, key } = args
    checkScope(context, args)
    if (key === undefined) return unknownCharset()
    const withRelevancy = wantsRelevancy(key, returned.names.has('RELEVANCY'), [])
    const modseq = keyHas(key, ({ kind }) => kind === 'modseq')
    if (modseq) context.enabled.condstore = true
    const tag = formatString(context.tag)
    // RFC 5267 §4.3.1.
    if (returned.names.has('UPDATE'))
      context.out.text(`* NO [NOUPDATE ${tag}] Several mailboxes are not kept up to date\r\n`)
    for await (const source of sources(context, filters)) {
      const { access, mailboxes } = source
      const { hits, relevancy } = await findMessages(context, source, key, undefined, withRelevancy)
      if (mailboxes.byId(access.record.id) === undefined) {
        if (source.selected) return no('The mailbox was deleted', 'NONEXISTENT')
        continue
      }
      if (source.selected && returned.names.has('SAVE')) {
        source.view.savedSearch = savedHits(hits, returned).map(({ uid }) => uid)
        if (returned.names.size === 1) continue
      }
      // RFC 7377 §2.1: nothing is said of a mailbox in which nothing fits.
      if (hits.length === 0) continue
      const name = formatMailbox(shownName(access), context.enabled.utf8)
      const correlator = `TAG ${tag} MAILBOX ${name} UIDVALIDITY ${access.record.uidValidity}`
      const scores = relevancy && hits.map(({ uid }) => relevancy.get(uid) ?? 100)
      context.out.text(extendedAnswer(correlator, { hits, numbering: 'uid', modseq, relevancy: scores }, returned))
      const pause = context.out.breathe()
      if (pause) await pause
    }
    return ok('Searched')
  },
})
