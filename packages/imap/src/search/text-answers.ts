// What a full-text index says of the keys of one search that ask for text: of most messages all, of the newest nothing.
import type { AccountMailboxes, TextFindings, TextIndex, TextQuery } from '@skein/mailboxes'
import type { MailboxView } from '../view.ts'
import type { Candidate } from './matcher.ts'
import type { SearchKey } from './search-key.ts'

export type TextKey = SearchKey & { kind: 'address' | 'subject' | 'header' | 'body' | 'text' }

export class TextAnswers {
  /** Place of each text key among the queries. */
  readonly #keys: ReadonlyMap<SearchKey, number>
  readonly #findings: TextFindings | undefined
  readonly queries: readonly TextQuery[]

  private constructor(
    keys: ReadonlyMap<SearchKey, number>,
    queries: readonly TextQuery[],
    findings: TextFindings | undefined,
  ) {
    this.#keys = keys
    this.queries = queries
    this.#findings = findings
  }

  /** Undefined where there is nothing to ask, or nobody. */
  static async gather(
    index: TextIndex | undefined,
    mailboxes: AccountMailboxes,
    view: MailboxView,
    key: SearchKey,
  ): Promise<TextAnswers | undefined> {
    if (index === undefined) return undefined
    const keys = new Map<SearchKey, number>()
    const queries: TextQuery[] = []
    collect(key, (text) => {
      if (!keys.has(text)) keys.set(text, queries.push(queryOf(text)) - 1)
    })
    if (queries.length === 0) return undefined
    return new TextAnswers(keys, queries, await index.find(mailboxes, view.mailbox, queries))
  }

  /** Undefined where the message itself must tell. */
  knows(key: SearchKey, { record: { uid }, examined }: Candidate): boolean | undefined {
    const which = this.#keys.get(key)
    if (which === undefined) return undefined
    if (examined !== undefined) return examined[which]
    const findings = this.#findings
    if (findings === undefined || uid > findings.coveredUid || has(findings.unsure, uid)) return undefined
    return has(findings.hits[which] as Uint32Array, uid)
  }

  /** Places of the view, ascending, outside which the key holds for none; undefined: may hold for any. */
  places(key: SearchKey, view: MailboxView): Uint32Array | undefined {
    switch (key.kind) {
      case 'none':
        return new Uint32Array(0)
      case 'and': {
        let least: Uint32Array | undefined
        for (const inner of key.keys) {
          const places = this.places(inner, view)
          if (places !== undefined && (least === undefined || places.length < least.length)) least = places
        }
        return least
      }
      case 'or': {
        const all: Uint32Array[] = []
        for (const inner of key.keys) {
          const places = this.places(inner, view)
          if (places === undefined) return undefined
          all.push(places)
        }
        return union(all)
      }
      default:
        return this.#placesOf(key, view)
    }
  }

  #placesOf(key: SearchKey, view: MailboxView): Uint32Array | undefined {
    const which = this.#keys.get(key)
    const findings = this.#findings
    if (which === undefined || findings === undefined) return undefined
    const known = [findings.hits[which] as Uint32Array, findings.unsure].map((uids) => placesOfUids(uids, view))
    const fresh: number[] = []
    for (let place = view.count - 1; place >= 0 && view.uidAt(place) > findings.coveredUid; place--) fresh.push(place)
    return union([...known, Uint32Array.from(fresh.reverse())])
  }
}

function placesOfUids(uids: Uint32Array, view: MailboxView): Uint32Array {
  const places = new Uint32Array(uids.length)
  let count = 0
  for (const uid of uids) {
    const place = view.indexOf(uid)
    if (place >= 0) places[count++] = place
  }
  return places.subarray(0, count)
}

function union(lists: readonly Uint32Array[]): Uint32Array {
  const some = lists.filter((list) => list.length > 0)
  if (some.length <= 1) return some[0] ?? new Uint32Array(0)
  const all = new Uint32Array(some.reduce((sum, list) => sum + list.length, 0))
  let at = 0
  for (const list of some) {
    all.set(list, at)
    at += list.length
  }
  all.sort()
  let count = 0
  for (const place of all) if (count === 0 || all[count - 1] !== place) all[count++] = place
  return all.subarray(0, count)
}

/** @param sorted ascending */
function has(sorted: Uint32Array, wanted: number): boolean {
  let low = 0
  let high = sorted.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const found = sorted[middle] as number
    if (found === wanted) return true
    if (found < wanted) low = middle + 1
    else high = middle - 1
  }
  return false
}

function collect(key: SearchKey, found: (key: TextKey) => void): void {
  switch (key.kind) {
    case 'not':
      return collect(key.key, found)
    case 'and':
    case 'or':
      for (const inner of key.keys) collect(inner, found)
      return
    case 'address':
    case 'subject':
    case 'header':
    case 'body':
    case 'text':
      return found(key)
    default:
  }
}

function queryOf(key: TextKey): TextQuery {
  if (key.kind === 'address') return { field: key.field, text: key.text }
  if (key.kind === 'header') return { field: 'header', name: key.name, text: key.text }
  return { field: key.kind, text: key.text }
}
