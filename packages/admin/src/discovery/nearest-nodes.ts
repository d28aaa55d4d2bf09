// Which nodes a client is told of, the nearest first. The node that was asked was chosen by the user or by the DNS, so it is near.
import type { NodeRecord } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'

export interface NearestFacts {
  self: NodeId
  nodes: readonly NodeRecord[]
  /** Connected to the asked node now. */
  isUp(id: NodeId): boolean
}

/**
 * The asked node, then those of its region, then by priority and name. Any node serves any user, so the home has no place
 * of its own. Disabled nodes, witnesses and those that announce no service for people are left out; silent ones come last.
 */
export function nearestNodes({ self, nodes, isUp }: NearestFacts, countMax: number): NodeRecord[] {
  const region = nodes.find(({ id }) => id === self)?.region ?? ''
  const rank = (node: NodeRecord): number[] => [
    node.id === self ? 0 : 1,
    node.id === self || isUp(node.id) ? 0 : 1,
    region !== '' && node.region === region ? 0 : 1,
    node.priority,
  ]
  const usable = nodes.filter((node) => node.enabled && !node.witness && servesPeople(node))
  // With none usable, the one that answers is better than none.
  const listed = usable.length > 0 ? usable : nodes.filter(({ id }) => id === self)
  return listed
    .map((node) => ({ node, rank: rank(node) }))
    .sort((a, b) => compare(a.rank, b.rank) || (a.node.name < b.node.name ? -1 : 1))
    .slice(0, countMax)
    .map(({ node }) => node)
}

function servesPeople({ services = {} }: NodeRecord): boolean {
  return ['imaps', 'imap', 'pop3s', 'pop3'].some((service) => services[service] !== undefined)
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
