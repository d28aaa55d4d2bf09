// The membership entries as a graph: one order that every node computes alike (parents first; of entries that could come next, the one
// of the more senior author, then the lower hash), and who knew of what when it was written.
import type { NodeId } from '@skein/runtime'
import { recoveryAuthor } from './entry.ts'
import type { MembershipEntry } from './entry.ts'

export class MembershipGraph {
  /** In the common order; the genesis is first. */
  readonly entries: readonly MembershipEntry[]
  readonly indexOf: ReadonlyMap<string, number>
  readonly #ancestors: Uint32Array[]

  /** @param entries closed under `parents`: an entry whose parents are missing is left out, with all that follows from it */
  constructor(entries: Iterable<MembershipEntry>, meshId: string) {
    this.entries = commonOrder(entries, meshId)
    const indexOf = new Map(this.entries.map(({ hash }, i) => [hash, i]))
    this.indexOf = indexOf
    const words = (this.entries.length + 31) >> 5
    this.#ancestors = []
    for (const entry of this.entries) {
      const bits = new Uint32Array(words)
      for (const parent of entry.parents) {
        const index = indexOf.get(parent) ?? 0
        const above = this.#ancestors[index]
        if (above) for (let w = 0; w < words; w++) bits[w] = (bits[w] ?? 0) | (above[w] ?? 0)
        bits[index >> 5] = (bits[index >> 5] ?? 0) | (1 << (index & 31))
      }
      this.#ancestors.push(bits)
    }
  }

  /** Whoever wrote `later` knew of `earlier`. False for an entry and itself. */
  knows(later: number, earlier: number): boolean {
    return (((this.#ancestors[later]?.[earlier >> 5] ?? 0) >>> (earlier & 31)) & 1) === 1
  }

  /** Entries that no other names as its parent. */
  tips(): string[] {
    const named = new Set(this.entries.flatMap(({ parents }) => parents))
    return this.entries.filter(({ hash }) => !named.has(hash)).map(({ hash }) => hash)
  }

  /** In the common order: everything that is not among `known` or its ancestors. */
  missingFrom(known: readonly string[]): MembershipEntry[] {
    const indexes = known.map((hash) => this.indexOf.get(hash)).filter((index) => index !== undefined)
    return this.entries.filter((_, i) => !indexes.some((tip) => tip === i || this.knows(tip, i)))
  }
}

function commonOrder(entries: Iterable<MembershipEntry>, meshId: string): MembershipEntry[] {
  const children = new Map<string, MembershipEntry[]>()
  const waitsFor = new Map<string, number>()
  let genesis: MembershipEntry | undefined
  for (const entry of entries) {
    if (entry.hash === meshId) genesis = entry
    const parents = new Set(entry.parents)
    waitsFor.set(entry.hash, parents.size)
    for (const parent of parents) {
      const list = children.get(parent)
      if (list) list.push(entry)
      else children.set(parent, [entry])
    }
  }
  const order: MembershipEntry[] = []
  const seniority = new Map<NodeId, number>([[recoveryAuthor, -1]])
  const rank = (entry: MembershipEntry): number => seniority.get(entry.author) ?? Number.MAX_SAFE_INTEGER
  const ready = genesis ? [genesis] : []
  for (;;) {
    let best: MembershipEntry | undefined
    for (const entry of ready) {
      if (!best || rank(entry) < rank(best) || (rank(entry) === rank(best) && entry.hash < best.hash)) best = entry
    }
    if (!best) return order
    ready.splice(ready.indexOf(best), 1)
    const newcomer =
      best.body.kind === 'genesis' ? best.author : best.body.kind === 'admit' ? best.body.node : undefined
    if (newcomer !== undefined && !seniority.has(newcomer)) seniority.set(newcomer, order.length)
    order.push(best)
    for (const child of children.get(best.hash) ?? []) {
      const left = (waitsFor.get(child.hash) ?? 0) - 1
      waitsFor.set(child.hash, left)
      if (left === 0) ready.push(child)
    }
  }
}
