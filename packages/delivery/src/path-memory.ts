// How each outside domain has answered each node's address lately: what this node met itself, and what peers tell of
// themselves. Bounded, and forgotten with time; decides nothing, but tells who is worth asking.
import type { NodeId } from '@skein/runtime'
import type { DeliveryLimits } from './limits.ts'
import type { RefusalCause } from './refusal-cause.ts'

/** One node's standing with one domain. */
export interface Standing {
  /** When it last delivered there; 0: never, as far as is known. */
  okMs: number
  /** When it was last refused or got no answer; 0: never. */
  refusedMs: number
  cause: Exclude<RefusalCause, 'other'> | null
  /** Refusals since the last success. */
  refusals: number
  /** Until then it is not worth another try. */
  shunUntilMs: number
}

/** What one node says of itself, on the wire: ages instead of times, since clocks differ. */
export interface PathNews {
  domain: string
  /** Milliseconds since the last success; null: none known. */
  okAgeMs: number | null
  refusedAgeMs: number | null
  cause: 'address' | 'unreachable'
}

type PathLimits = Pick<
  DeliveryLimits,
  'pathDomainsMax' | 'pathNodesPerDomainMax' | 'pathKeepMs' | 'pathShunMs' | 'pathShunMaxMs' | 'pathProbeMs'
>

export class PathMemory {
  readonly #limits: PathLimits
  /** Domains in order of use: the one not heard of for longest is forgotten first. */
  readonly #domains = new Map<string, Map<NodeId, Standing>>()

  constructor(limits: PathLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#domains.size
  }

  standing(domain: string, node: NodeId, nowMs: number): Standing | undefined {
    const standing = this.#domains.get(domain)?.get(node)
    if (!standing) return undefined
    if (nowMs - Math.max(standing.okMs, standing.refusedMs) <= this.#limits.pathKeepMs) return standing
    this.#forget(domain, node)
    return undefined
  }

  /** The domain has refused that node, or not answered it, and there is no reason yet to think better of it. */
  isShunned(domain: string, node: NodeId, nowMs: number): boolean {
    return (this.standing(domain, node, nowMs)?.shunUntilMs ?? 0) > nowMs
  }

  /** Success that no refusal has followed. */
  lastOkMs(domain: string, node: NodeId, nowMs: number): number {
    const standing = this.standing(domain, node, nowMs)
    return standing && standing.refusals === 0 ? standing.okMs : 0
  }

  /** Does anything here tell of a domain that refuses somebody: only then are successes worth telling. */
  isOfInterest(domain: string): boolean {
    return this.#domains.has(domain)
  }

  /** @returns whether it changes what is thought of that node */
  delivered(domain: string, node: NodeId, atMs: number): boolean {
    const before = this.#domains.get(domain)?.get(node)
    this.#set(domain, node, { okMs: atMs, refusedMs: 0, cause: null, refusals: 0, shunUntilMs: 0 })
    return !before || before.refusals > 0
  }

  /** Each refusal in a row doubles the time for which the node is not tried there. */
  refused(domain: string, node: NodeId, cause: Exclude<RefusalCause, 'other'>, atMs: number): void {
    const before = this.standing(domain, node, atMs)
    // Many letters that fail at one moment are one refusal.
    const same = before && before.refusals > 0 && atMs - before.refusedMs < this.#limits.pathProbeMs
    const refusals = (before?.refusals ?? 0) + (same ? 0 : 1)
    const { pathShunMs, pathShunMaxMs } = this.#limits
    const shunMs = Math.min(pathShunMaxMs, pathShunMs * 2 ** Math.min(20, refusals - 1))
    this.#set(domain, node, {
      okMs: before?.okMs ?? 0,
      refusedMs: atMs,
      cause,
      refusals,
      shunUntilMs: atMs + shunMs,
    })
  }

  /** One letter may see whether the domain still refuses that node; others keep off meanwhile. */
  probe(domain: string, node: NodeId, nowMs: number): void {
    const standing = this.standing(domain, node, nowMs)
    if (standing && standing.refusals > 0) standing.shunUntilMs = nowMs + this.#limits.pathProbeMs
  }

  /** What `node` (this one) can tell of itself, the latest first. */
  news(node: NodeId, nowMs: number, domains?: ReadonlySet<string>): PathNews[] {
    const news: PathNews[] = []
    for (const domain of [...this.#domains.keys()].reverse()) {
      if (domains && !domains.has(domain)) continue
      const standing = this.standing(domain, node, nowMs)
      if (!standing) continue
      const { okMs, refusedMs, cause } = standing
      news.push({
        domain,
        okAgeMs: okMs === 0 ? null : Math.max(0, nowMs - okMs),
        refusedAgeMs: refusedMs === 0 ? null : Math.max(0, nowMs - refusedMs),
        cause: cause ?? 'address',
      })
    }
    return news
  }

  /** @returns the domain, where a way there has become better */
  learn(node: NodeId, { domain, okAgeMs, refusedAgeMs, cause }: PathNews, nowMs: number): string | undefined {
    const { pathKeepMs } = this.#limits
    const before = this.#domains.get(domain)?.get(node)
    const okMs = okAgeMs === null || okAgeMs > pathKeepMs ? 0 : nowMs - okAgeMs
    const refusedMs = refusedAgeMs === null || refusedAgeMs > pathKeepMs ? 0 : nowMs - refusedAgeMs
    if (refusedMs > okMs) {
      if (!before || refusedMs > before.refusedMs) this.refused(domain, node, cause, refusedMs)
      return undefined
    }
    if (okMs === 0 || (before && okMs <= before.okMs)) return undefined
    return this.delivered(domain, node, okMs) ? domain : undefined
  }

  #set(domain: string, node: NodeId, standing: Standing): void {
    const nodes = this.#domains.get(domain) ?? new Map<NodeId, Standing>()
    nodes.delete(node)
    nodes.set(node, standing)
    this.#domains.delete(domain)
    this.#domains.set(domain, nodes)
    dropFirst(nodes, this.#limits.pathNodesPerDomainMax)
    dropFirst(this.#domains, this.#limits.pathDomainsMax)
  }

  #forget(domain: string, node: NodeId): void {
    const nodes = this.#domains.get(domain)
    nodes?.delete(node)
    if (nodes?.size === 0) this.#domains.delete(domain)
  }
}

function dropFirst(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return
    map.delete(key)
  }
}
