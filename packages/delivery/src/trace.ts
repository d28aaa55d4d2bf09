// The story of each letter, one event a step: written beside the durable work, never on its own, and read by `skein trace`.
import type { Directory } from '@skein/accounts'
import type { Clock } from '@skein/runtime'
import type { DeliveryResult, QueueItem, QueueRecipient, TraceEvent, TraceStore } from './ports.ts'
import { queueAddress, routeRecipient, type RouteSettings } from './route.ts'

export interface TraceStep {
  what: string
  recipient: string
  detail: string
}

/** Of a letter to more recipients only the first ones' routes are written down. */
const tracedRoutesMax = 100

export class Tracer {
  readonly #store: TraceStore
  readonly #clock: Clock
  readonly #directory: Directory
  readonly #routes: RouteSettings

  constructor(store: TraceStore, clock: Clock, directory: Directory, routes: RouteSettings = {}) {
    this.#store = store
    this.#clock = clock
    this.#directory = directory
    this.#routes = routes
  }

  record(letter: Pick<QueueItem, 'id' | 'messageId'>, steps: readonly TraceStep[]): void {
    if (steps.length === 0) return
    const atMs = this.#clock.nowMs()
    this.#store.add(
      steps.map(({ what, recipient, detail }) => {
        return {
          atMs,
          node: this.#directory.self,
          queueId: letter.id,
          messageId: letter.messageId,
          what,
          recipient,
          detail,
        }
      }),
    )
  }

  /** What the other side said; nodes by their names. */
  sentence({ hop, code, status, text }: DeliveryResult): string {
    return `${this.#directory.node(hop)?.name ?? hop}: ${code} ${status} ${text}`
  }

  /** Why each recipient's letter goes where it goes. */
  routes(item: QueueItem): TraceStep[] {
    return item.recipients.slice(0, tracedRoutesMax).map((recipient) => ({
      what: 'routed',
      recipient: recipient.address,
      detail: this.byWayOf(recipient) + this.#reason(recipient),
    }))
  }

  /** Names the alias that led to a recipient; '' where there was none. */
  byWayOf({ address, original }: QueueRecipient): string {
    return queueAddress(this.#directory, original) === address ? '' : `${original} leads here; `
  }

  #reason(recipient: QueueRecipient): string {
    const route = routeRecipient(this.#directory, recipient, this.#routes)
    if (route.kind === 'local') return 'the mailbox is on this node'
    if (route.kind === 'peer') return `the mailbox is on ${this.#directory.node(route.node)?.name ?? route.node}`
    return route.kind === 'outside' ? `${route.domain} is not a domain of this mesh` : route.text
  }

  find(key: string): Promise<TraceEvent[]> {
    return this.#store.find(key)
  }
}
