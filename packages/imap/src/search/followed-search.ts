// One result that is kept up to date: which messages are in it, in which order, and how a change of it is told.
import type { Context, Numbering } from '../commands/command.ts'
import { selectedOf } from '../commands/command.ts'
import type { FetchItem } from '../fetch/fetch-item.ts'
import type { SortCriterion } from '../sort/sort-criteria.ts'
import type { MailboxView } from '../view.ts'
import { formatString } from '../wire/encode.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { findMessages, inOrder } from './find-messages.ts'
import type { Hit } from './run-search.ts'
import type { SearchKey } from './search-key.ts'

export interface SearchProgram {
  numbering: Numbering
  key: SearchKey
  criteria: readonly SortCriterion[] | undefined
  /** Told of each message that joins. */
  items: readonly FetchItem[]
}

/** So many are put in their place one by one; more are sorted anew together with the rest. */
const PLACED_ONE_BY_ONE_MAX = 32

export class FollowedSearch {
  readonly program: SearchProgram
  readonly #context: Context
  readonly #tag: string
  readonly #key: SearchKey
  readonly #members = new Set<number>()
  /** UIDs in the order of the sort; unused where results stand in the order of the mailbox. */
  #order: number[] = []
  #relevancy = new Map<number, number>()

  constructor(context: Context, tag: string, program: SearchProgram) {
    this.#context = context
    this.#tag = tag
    this.program = program
    // What sequence numbers and $ mean is settled now, for as long as the result is followed.
    this.#key = withUids(program.key, selectedOf(context).view)
  }

  begin(hits: readonly Hit[], relevancy: ReadonlyMap<number, number> | undefined): void {
    for (const { uid } of hits) this.#members.add(uid)
    if (this.program.criteria === undefined) return
    this.#order = hits.map((hit) => hit.uid)
    this.#relevancy = new Map(relevancy)
  }

  /** Which of these messages fit now and did not, and the other way round. @param uids ascending */
  async lookAt(uids: readonly number[]): Promise<{ joined: Hit[]; left: Set<number> }> {
    const searched = selectedOf(this.#context)
    const within: SearchKey = { kind: 'messages', by: 'uid', set: setOf(uids) }
    const key: SearchKey = { kind: 'and', keys: [within, this.#key] }
    const wanted = this.program.criteria?.some((criterion) => criterion.key === 'RELEVANCY') === true
    const { hits, relevancy } = await findMessages(this.#context, searched, key, undefined, wanted)
    for (const [uid, score] of relevancy ?? []) this.#relevancy.set(uid, score)
    const fitting = new Set(hits.map((hit) => hit.uid))
    return {
      joined: hits.filter((hit) => !this.#members.has(hit.uid)),
      left: new Set(uids.filter((uid) => this.#members.has(uid) && !fitting.has(uid))),
    }
  }

  /** @returns the answer that tells of it; '' where nobody joins. */
  async add(joined: readonly Hit[]): Promise<string> {
    if (joined.length === 0) return ''
    const { criteria } = this.program
    for (const { uid } of joined) this.#members.add(uid)
    if (criteria === undefined) return this.#answer(`ADDTO (0 ${this.#set(joined.map((hit) => hit.uid))})`)
    if (joined.length > PLACED_ONE_BY_ONE_MAX) await this.#sortAll(joined, criteria)
    else for (const hit of joined) await this.#place(hit, criteria)
    const added = new Set(joined.map((hit) => hit.uid))
    return this.#answer(`ADDTO (${this.#pairs(added, false)})`)
  }

  *remove(uids: ReadonlySet<number>): Generator<string> {
    const left = new Set<number>()
    for (const uid of uids) if (this.#members.delete(uid)) left.add(uid)
    if (left.size === 0) return
    if (this.program.criteria === undefined) {
      const ordered = [...left].sort((a, b) => a - b)
      yield this.#answer(`REMOVEFROM (0 ${this.#set(ordered)})`)
      return
    }
    yield this.#answer(`REMOVEFROM (${this.#pairs(left, true)})`)
    this.#order = this.#order.filter((uid) => !left.has(uid))
    for (const uid of left) this.#relevancy.delete(uid)
  }

  /** Pairs of position and set for those that stand side by side; the pairs are carried out one after the other. */
  #pairs(uids: ReadonlySet<number>, removal: boolean): string {
    const pairs: string[] = []
    let run: number[] = []
    let before = 0
    const close = (end: number) => {
      if (run.length === 0) return
      const position = end - run.length + 1 - (removal ? before : 0)
      pairs.push(`${position} ${this.#set(run)}`)
      before += run.length
      run = []
    }
    for (const [at, uid] of this.#order.entries()) {
      if (uids.has(uid)) run.push(uid)
      else close(at)
    }
    close(this.#order.length)
    return pairs.join(' ')
  }

  /** In the order given. */
  #set(uids: readonly number[]): string {
    if (this.program.numbering === 'uid') return formatNumbers(uids)
    const { view } = selectedOf(this.#context)
    return formatNumbers(uids.map((uid) => view.indexOf(uid) + 1))
  }

  #answer(change: string): string {
    const uid = this.program.numbering === 'uid' ? ' UID' : ''
    return `* ESEARCH (TAG ${formatString(this.#tag)})${uid} ${change}\r\n`
  }

  /** By halves: a look at a few messages of many. */
  async #place(hit: Hit, criteria: readonly SortCriterion[]): Promise<void> {
    let low = 0
    let high = this.#order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#hit(this.#order[middle] as number)
      const [first] = await this.#inOrder([hit, other], criteria)
      if (first?.uid === hit.uid) high = middle
      else low = middle + 1
    }
    this.#order.splice(low, 0, hit.uid)
  }

  async #sortAll(joined: readonly Hit[], criteria: readonly SortCriterion[]): Promise<void> {
    const hits = [...this.#order.map((uid) => this.#hit(uid)), ...joined]
    this.#order = (await this.#inOrder(hits, criteria)).map((hit) => hit.uid)
  }

  async #inOrder(hits: readonly Hit[], criteria: readonly SortCriterion[]): Promise<Hit[]> {
    // Ties go by the place in the mailbox, which is the place in what is sorted.
    const placed = hits.toSorted((a, b) => a.uid - b.uid)
    return inOrder(this.#context, selectedOf(this.#context), placed, criteria, this.#relevancy)
  }

  #hit(uid: number): Hit {
    return { place: selectedOf(this.#context).view.indexOf(uid), uid, modseq: 0 }
  }
}

function setOf(uids: Iterable<number>): SequenceSet {
  const ranges: { from: number; to: number }[] = []
  for (const uid of uids) {
    const before = ranges[ranges.length - 1]
    if (before !== undefined && before.to === uid - 1) before.to = uid
    else ranges.push({ from: uid, to: uid })
  }
  return { kind: 'numbers', ranges }
}

/** The key with the messages that it names by their UIDs. */
function withUids(key: SearchKey, view: MailboxView): SearchKey {
  switch (key.kind) {
    case 'messages':
      if (key.by === 'uid' && key.set.kind !== 'saved') return key
      return { kind: 'messages', by: 'uid', set: setOf(view.uidsOf(view.spans(key.set, key.by))) }
    case 'not':
      return { kind: 'not', key: withUids(key.key, view) }
    case 'or':
      return { kind: 'or', keys: key.keys.map((inner) => withUids(inner, view)) }
    case 'and':
      return {
        kind: 'and',
        keys: key.keys.map((inner) => withUids(inner, view)),
        ...(key.fuzzy === undefined ? {} : { fuzzy: withUids(key.fuzzy, view) }),
      }
    default:
      return key
  }
}
