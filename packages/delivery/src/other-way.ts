// Which way a letter for an outside domain takes: this node's own address, a peer's, or none now. Pure: everything that
// the choice depends on is given.
import type { NodeRecord } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'
import type { PathMemory } from './path-memory.ts'
import type { RefusedWay } from './ports.ts'

export type Way =
  | { kind: 'own' }
  /** `why`: one clause for the trace. */
  | { kind: 'peer'; node: NodeId; why: string }
  /** A peer that may do it is busy or out of reach. */
  | { kind: 'wait' }
  /** Nobody is left to ask. */
  | { kind: 'none' }

export interface Surroundings {
  domain: string
  self: NodeId
  /** Of the recipient, since it came in. */
  refusedWays: readonly RefusedWay[]
  nodes: readonly NodeRecord[]
  isConnected(node: NodeId): boolean
  /** Has as many letters of ours as it may, or has just said that it takes no more. */
  isBusy(node: NodeId): boolean
  memory: PathMemory
  nowMs: number
  /** The domain does not answer this node: letters wait in its line. */
  isBackingOff: boolean
  /** The letter may be handed over at all. */
  mayLeave: boolean
}

/** Ascending priority number; among equals the one that got through last; then by name, so that everybody would choose alike. */
export function relaysInOrder({
  domain,
  self,
  nodes,
  memory,
  nowMs,
}: Pick<Surroundings, 'domain' | 'self' | 'nodes' | 'memory' | 'nowMs'>): NodeRecord[] {
  return nodes
    .filter((it) => it.id !== self && it.enabled && it.relay && !it.witness)
    .toSorted(
      (a, b) =>
        a.priority - b.priority ||
        memory.lastOkMs(domain, b.id, nowMs) - memory.lastOkMs(domain, a.id, nowMs) ||
        (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1),
    )
}

export function chooseWay(around: Surroundings): Way {
  const { domain, self, refusedWays, memory, nowMs, isBackingOff } = around
  if (!around.mayLeave) return { kind: 'own' }
  const refusedHere = refusedWays.some((it) => it.node === self)
  if (refusedHere) return chooseRelay(around, true)
  const standing = memory.standing(domain, self, nowMs)
  const isShunned = memory.isShunned(domain, self, nowMs)
  if (!isShunned && !isBackingOff) {
    memory.probe(domain, self, nowMs)
    return { kind: 'own' }
  }
  // Who refuses this address, refuses the next letter too. Who did not answer is asked again, unless a peer is known to get through.
  const way = chooseRelay(around, standing?.cause === 'address' && isShunned)
  return way.kind === 'peer' ? way : { kind: 'own' }
}

/** @param untried also those of whom nothing is known */
function chooseRelay(around: Surroundings, untried: boolean): Way {
  const { domain, refusedWays, memory, nowMs } = around
  let mayCome = false
  for (const { id, priority } of relaysInOrder(around)) {
    if (refusedWays.some((it) => it.node === id)) continue
    const okMs = memory.lastOkMs(domain, id, nowMs)
    if (memory.isShunned(domain, id, nowMs) || (okMs === 0 && !untried)) continue
    if (!around.isConnected(id) || around.isBusy(id)) {
      mayCome = true
      continue
    }
    const known = okMs === 0 ? '' : `, got through ${Math.round((nowMs - okMs) / 1000)} s ago`
    return { kind: 'peer', node: id, why: `first in order that can be asked: priority ${priority}${known}` }
  }
  return { kind: mayCome ? 'wait' : 'none' }
}
