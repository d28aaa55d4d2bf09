// Everything by which a letter for the outside may leave through another node, behind one door for the scheduler: which
// way to take, what an answer means, and handing over.
import type { Directory } from '@skein/accounts'
import type { Clock, Logger, NodeId, PeerLink, Random } from '@skein/runtime'
import type { MessageLog } from '@skein/mailboxes'
import { ErrandDesk, accountsOf } from './errand-desk.ts'
import { HandOverDesk } from './hand-over-desk.ts'
import type { LetterKeeper } from './letter-keeper.ts'
import { chooseWay, relaysInOrder, type Way } from './other-way.ts'
import { PathMemory } from './path-memory.ts'
import type { DeliveryLimits } from './limits.ts'
import type { DeliveryResult, Entrances, QueueId, QueueItem, QueueRecipient } from './ports.ts'
import { refusalCause, type RefusalCause } from './refusal-cause.ts'
import { RelayService } from './relay-service.ts'
import type { RouteSettings } from './route.ts'
import type { TraceStep } from './trace.ts'

export interface OtherWaysComponents {
  keeper: LetterKeeper
  link: PeerLink
  log: MessageLog
  directory: Directory
  entrances?: Entrances
  clock: Clock
  random: Random
  logger: Logger
  newId(): string
  enqueue(item: QueueItem, steps: readonly TraceStep[]): Promise<void>
  hurry(id: QueueId): void
  /** Letters that wait for that domain may have a way now. */
  betterWay(domain: string): void
}

export interface OtherWaysSettings {
  hostName: string
  limits: DeliveryLimits
  routes: RouteSettings
}

export class OtherWays {
  readonly #parts: OtherWaysComponents
  readonly #settings: OtherWaysSettings
  readonly #memory: PathMemory
  readonly #service: RelayService
  readonly handOvers: HandOverDesk
  readonly errands: ErrandDesk

  constructor(components: OtherWaysComponents, settings: OtherWaysSettings) {
    const { directory, clock, betterWay } = components
    const { limits } = settings
    this.#parts = components
    this.#settings = settings
    this.#memory = new PathMemory(limits)
    this.handOvers = new HandOverDesk(
      {
        ...components,
        learned: (domain, node, result, cause) => this.#note(domain, node, result, cause),
      },
      limits,
    )
    this.errands = new ErrandDesk(
      {
        ...components,
        isShunned: (domain) => this.#memory.isShunned(domain, directory.self, clock.nowMs()),
      },
      settings,
    )
    this.#service = new RelayService(
      { ...components, handOvers: this.handOvers, errands: this.errands, memory: this.#memory, betterWay },
      limits,
    )
  }

  start(): void {
    this.handOvers.start()
    this.errands.start()
    this.#service.start()
  }

  async stop(): Promise<void> {
    this.#service.stop()
    await this.errands.stop()
    await this.handOvers.stop()
  }

  /** The way of one recipient outside. */
  wayOf(item: QueueItem, recipient: QueueRecipient, domain: string, isBackingOff: boolean): Way {
    const { directory, clock, link } = this.#parts
    const { self } = directory
    const nowMs = clock.nowMs()
    if (item.errand) return { kind: 'own' }
    // Nearly always: nothing is known against this node's own address.
    if (!recipient.refusedWays && !isBackingOff && !this.#memory.standing(domain, self, nowMs)) return { kind: 'own' }
    const connected = new Set(link.connected())
    return chooseWay({
      domain,
      self,
      refusedWays: recipient.refusedWays ?? [],
      nodes: directory.nodes(),
      isConnected: (node) => connected.has(node),
      isBusy: (node) => this.handOvers.isBusy(node),
      memory: this.#memory,
      nowMs,
      isBackingOff,
      mayLeave: recipient.refusedWays !== undefined || this.mayLeave(item, domain),
    })
  }

  /** Is there anybody else who might send it? */
  mayLeave(item: QueueItem, domain: string): boolean {
    const { directory, clock } = this.#parts
    const { self } = directory
    if (item.errand || !this.#isOurs(item)) return false
    const around = { domain, self, nodes: directory.nodes(), memory: this.#memory, nowMs: clock.nowMs() }
    return relaysInOrder(around).length > 0
  }

  /** Of somebody who lives here, or logged in here to send it: peers will ask the home. */
  #isOurs({ from, source }: QueueItem): boolean {
    const { directory } = this.#parts
    const senders = accountsOf(directory, from, this.#settings.routes)
    const isSubmitted = source.kind === 'submission' && source.accountId !== null
    return senders.some(
      ({ home, accountId }) => home === directory.self || (isSubmitted && accountId === source.accountId),
    )
  }

  /** This node's own address was tried: remembered, and told to the peers. */
  tried(item: QueueItem, domain: string, result: DeliveryResult, isRepeated: boolean): RefusalCause {
    const cause = refusalCause(result, isRepeated)
    this.#note(domain, this.#parts.directory.self, result, cause, item.errand !== undefined)
    return cause
  }

  #note(domain: string, node: NodeId, result: DeliveryResult, cause: RefusalCause, isErrand = false): void {
    const { directory, clock } = this.#parts
    const isOwn = node === directory.self
    const nowMs = clock.nowMs()
    if (cause !== 'other') {
      this.#memory.refused(domain, node, cause, nowMs)
      if (isOwn) this.#service.news(domain)
      return
    }
    // Whatever else a domain says, it does speak with that node. Of most domains there is nothing to remember.
    if (isOwn && !isErrand && !this.#memory.isOfInterest(domain)) return
    if (result.kind === 'temporary') return
    if (!this.#memory.delivered(domain, node, nowMs)) return
    if (isOwn) this.#service.news(domain)
    this.#parts.betterWay(domain)
  }

  handOver(id: QueueId, indexes: readonly number[], node: NodeId, why: string): void {
    this.handOvers.begin(id, indexes, node, why)
  }
}
