// The service `relay` between nodes: letters that one sends for another, and what each knows of the ways out.
import type { Directory } from '@skein/accounts'
import { SkeinError, type Clock, type NodeId, type PeerLink, type Timer } from '@skein/runtime'
import type { ErrandDesk } from './errand-desk.ts'
import type { HandOverDesk } from './hand-over-desk.ts'
import type { PathMemory } from './path-memory.ts'
import type { DeliveryLimits } from './limits.ts'
import { decodeRelayRequest, encodeRelay, type RelayReply, type RelayRequest } from './relay-wire.ts'

export interface RelayServiceComponents {
  link: PeerLink
  directory: Directory
  handOvers: HandOverDesk
  errands: ErrandDesk
  memory: PathMemory
  clock: Clock
  /** A way to that domain has become better. */
  betterWay(domain: string): void
}

export class RelayService {
  readonly #parts: RelayServiceComponents
  readonly #limits: DeliveryLimits
  /** Domains of which this node has something new to tell of itself. */
  readonly #fresh = new Set<string>()
  #timer: Timer | undefined
  #unsubscribe: (() => void) | undefined
  #stopped = false

  constructor(components: RelayServiceComponents, limits: DeliveryLimits) {
    this.#parts = components
    this.#limits = limits
  }

  start(): void {
    const { link } = this.#parts
    this.#unsubscribe = link.onPeerChange((peer, state) => {
      if (state === 'up') this.#tell(peer)
    })
    link.handle('relay', async (from, payload) => {
      const request = decodeRelayRequest(payload)
      if (this.#stopped) throw new SkeinError('peer-unreachable', 'temporary', 'this node is stopping')
      return encodeRelay(await this.#answer(from, request))
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#unsubscribe?.()
  }

  /** Tells the peers soon, together with what else there is to tell. */
  news(domain: string): void {
    this.#fresh.add(domain)
    if (this.#stopped) return
    this.#timer ??= this.#parts.clock.setTimer(this.#limits.pathNewsPauseMs, () => {
      this.#timer = undefined
      const domains = new Set(this.#fresh)
      this.#fresh.clear()
      for (const peer of this.#parts.link.connected()) this.#tell(peer, domains)
    })
  }

  #tell(peer: NodeId, domains?: ReadonlySet<string>): void {
    const { memory, directory, clock, link } = this.#parts
    const news = memory.news(directory.self, clock.nowMs(), domains).slice(0, this.#limits.pathNewsMax)
    if (news.length === 0 || this.#stopped) return
    // Only a hint: what is lost is told again with the next change, or found out.
    link.request(peer, 'relay', encodeRelay({ t: 'paths', news })).catch(() => {})
  }

  async #answer(from: NodeId, request: RelayRequest): Promise<RelayReply> {
    const { handOvers, errands, memory, clock, betterWay } = this.#parts
    switch (request.t) {
      case 'offer':
        return errands.offer(from, request)
      case 'data':
        return errands.data(from, request)
      case 'go':
        return errands.go(from, request.ticket, request.stage, request.hurry)
      case 'recall':
        return errands.recall(from, request.ticket, request.stage)
      case 'ask':
        return { t: 'word', word: handOvers.wordFor(from, request.ticket, request.stage) }
      case 'outcome':
        await handOvers.settle(from, request.ticket, request.stage, request.results)
        return { t: 'noted' }
      default:
        // A node speaks of its own address only.
        for (const news of request.news.slice(0, this.#limits.pathNewsMax)) {
          const domain = memory.learn(from, news, clock.nowMs())
          if (domain !== undefined) betterWay(domain)
        }
        return { t: 'noted' }
    }
  }
}
