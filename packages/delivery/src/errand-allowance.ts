// How many letters each peer may still hand in: so many an hour, refilled evenly. A stolen node must not send without bound
// from everybody's address.
import type { Clock, NodeId } from '@skein/runtime'

const hourMs = 3600_000

export class ErrandAllowance {
  readonly #clock: Clock
  readonly #hourMax: number
  /** By members, of whom there are only so many. */
  readonly #left = new Map<NodeId, { left: number; atMs: number }>()

  constructor(clock: Clock, hourMax: number) {
    this.#clock = clock
    this.#hourMax = hourMax
  }

  has(peer: NodeId): boolean {
    return this.#now(peer).left >= 1
  }

  spend(peer: NodeId): void {
    this.#now(peer).left -= 1
  }

  #now(peer: NodeId): { left: number; atMs: number } {
    const nowMs = this.#clock.monotonicMs()
    const before = this.#left.get(peer) ?? { left: this.#hourMax, atMs: nowMs }
    const left = Math.min(this.#hourMax, before.left + ((nowMs - before.atMs) / hourMs) * this.#hourMax)
    const now = { left, atMs: nowMs }
    this.#left.set(peer, now)
    return now
  }
}
