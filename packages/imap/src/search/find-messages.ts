// A search from beginning to end: what fits, how well, and in which order.
import type { Context } from '../commands/command.ts'
import type { SortCriterion } from '../sort/sort-criteria.ts'
import { recordsOf, sortRecords } from '../sort/sort-hits.ts'
import type { AccountMailboxes } from '@skein/mailboxes'
import type { MailboxView } from '../view.ts'
import { searchStart } from '../message-limit.ts'
import { fault } from '../wire/syntax-error.ts'
import { readFuzzy, relevancyOf } from './fuzzy.ts'
import type { Looseness } from './fuzzy.ts'
import { runSearch } from './run-search.ts'
import type { Hit, SearchGround } from './run-search.ts'
import { keyHas } from './search-key.ts'
import type { SearchKey } from './search-key.ts'

/** What is searched: the selected mailbox, or another one through a view of its own. */
export interface Searched {
  mailboxes: AccountMailboxes
  view: MailboxView
}

export interface Found {
  /** In the order asked for. */
  hits: readonly Hit[]
  /** By UID, where it was asked for. */
  relevancy: ReadonlyMap<number, number> | undefined
}

/** What a search of that mailbox goes by. */
export function searchGround(context: Context, { mailboxes, view }: Searched, key: SearchKey): SearchGround {
  const { clock, textIndex } = context.services
  const { out, progress, limits } = context
  const { firstPlace } = searchStart(view, key, limits)
  return { mailboxes, view, out, nowMs: clock.nowMs(), textIndex, progress, firstPlace }
}

/** @throws SyntaxFault where relevancy is asked for and nothing is fuzzy (RFC 6203 §4, §6). */
export function wantsRelevancy(key: SearchKey, returned: boolean, criteria: readonly SortCriterion[]): boolean {
  const wanted = returned || criteria.some((criterion) => criterion.key === 'RELEVANCY')
  if (wanted && !keyHas(key, (inner) => inner.kind === 'and' && inner.fuzzy !== undefined)) {
    fault('RELEVANCY needs a FUZZY key')
  }
  return wanted
}

export async function findMessages(
  context: Context,
  searched: Searched,
  key: SearchKey,
  criteria: readonly SortCriterion[] | undefined,
  withRelevancy: boolean,
): Promise<Found> {
  const hits = await runSearch(searchGround(context, searched, key), key)
  const relevancy = withRelevancy ? await relevancyOfHits(context, searched, key, hits) : undefined
  if (criteria === undefined) return { hits, relevancy }
  return { hits: await inOrder(context, searched, hits, criteria, relevancy), relevancy }
}

export async function inOrder(
  context: Context,
  { mailboxes, view }: Searched,
  hits: readonly Hit[],
  criteria: readonly SortCriterion[],
  relevancy: ReadonlyMap<number, number> | undefined,
): Promise<Hit[]> {
  const { out, wordCache: words } = context
  const records = await recordsOf(out, hits, await mailboxes.messages(view.mailbox))
  const order = await sortRecords({ mailboxes, words, out }, records, criteria, relevancy)
  return Array.from(order, (at) => hits[at] as Hit)
}

/** The stricter the reading that a message still fits, the more relevant it is. */
async function relevancyOfHits(
  context: Context,
  searched: Searched,
  key: SearchKey,
  hits: readonly Hit[],
): Promise<Map<number, number>> {
  const relevancy = new Map(hits.map(({ uid }) => [uid, relevancyOf.stems]))
  const readings: Looseness[] = ['words', 'exact']
  for (const looseness of readings) {
    for (const { uid } of await runSearch(searchGround(context, searched, key), readFuzzy(key, looseness))) {
      if (relevancy.has(uid)) relevancy.set(uid, relevancyOf[looseness])
    }
  }
  return relevancy
}
