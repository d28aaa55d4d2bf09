// The names that more than one account claims, with their resolution: few, and so held in memory. Everybody else's name is
// looked up in the pages without a thought for these.
import type { NodeId } from '@skein/runtime'
import type { Resolution } from '../claims/resolution.ts'
import type { NameConflict } from '../ledger-api.ts'

export class ConflictTable {
  readonly #resolutions = new Map<string, Resolution>()
  /** The loser's new name to the name it lost, and by which account. */
  readonly #renamed = new Map<string, { address: string; accountId: string }>()

  get size(): number {
    return this.#resolutions.size
  }

  addresses(): string[] {
    return [...this.#resolutions.keys()]
  }

  resolution(address: string): Resolution | undefined {
    return this.#resolutions.get(address)
  }

  renamedFrom(address: string): { address: string; accountId: string } | undefined {
    return this.#renamed.get(address)
  }

  renamedAddresses(): Iterable<string> {
    return this.#renamed.keys()
  }

  /** @param resolution undefined when nobody disputes the name any more. @returns conflicts that were not there before */
  set(address: string, resolution: Resolution | undefined): NameConflict[] {
    const before = this.#resolutions.get(address)
    for (const { renamedTo } of before?.losers ?? []) this.#renamed.delete(renamedTo)
    if (!resolution || resolution.losers.length === 0) {
      this.#resolutions.delete(address)
      return []
    }
    this.#resolutions.set(address, resolution)
    const known = new Set(before?.losers.map(({ claim }) => claim.value.accountId))
    const fresh: NameConflict[] = []
    for (const { claim, renamedTo } of resolution.losers) {
      this.#renamed.set(renamedTo, { address, accountId: claim.value.accountId })
      if (known.has(claim.value.accountId)) continue
      const party = (who: { owner: NodeId; value: { accountId: string } }) => ({
        accountId: who.value.accountId,
        home: who.owner,
      })
      fresh.push({ address, winner: party(resolution.winner), loser: { ...party(claim), renamedTo } })
    }
    return fresh
  }
}
