// Small numbers for the nodes that own map entries: this node's own table, since a page names an owner for each claim.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import { textListOf } from '../wire/fields.ts'

const metaName = 'owners'
const ownersMax = 0xffff

export class OwnerNumbers {
  #ids: NodeId[] = []
  readonly #numbers = new Map<NodeId, number>()
  #stored = 0

  async load(store: LedgerStore): Promise<void> {
    const bytes = await store.meta(metaName)
    if (!bytes) return
    this.#ids = textListOf(decodeCbor(bytes), 'owners', ownersMax)
    for (const [number, id] of this.#ids.entries()) this.#numbers.set(id, number)
    this.#stored = this.#ids.length
  }

  numberOf(id: NodeId): number {
    let number = this.#numbers.get(id)
    if (number === undefined) {
      number = this.#ids.length
      if (number >= ownersMax) throw new Error('more owners than a page can name')
      this.#ids.push(id)
      this.#numbers.set(id, number)
    }
    return number
  }

  idOf(number: number): NodeId {
    return this.#ids[number] ?? ''
  }

  /** What must go along with a commit that uses new numbers. `stored` is to be called once it is durable. */
  pending(): { ops: LedgerOp[]; stored(): void } {
    const count = this.#ids.length
    if (count === this.#stored) return { ops: [], stored() {} }
    return {
      ops: [{ op: 'meta', name: metaName, bytes: encodeCbor(this.#ids) }],
      stored: () => {
        this.#stored = Math.max(this.#stored, count)
      },
    }
  }
}
