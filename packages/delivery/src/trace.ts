// The story of each letter, one event a step: written beside the durable work, never on its own, and read by `skein trace`.
import type { Clock, NodeId } from '@skein/runtime'
import type { QueueItem, TraceEvent, TraceStore } from './ports.ts'

export interface TraceStep {
  what: string
  recipient: string
  detail: string
}

export class Tracer {
  readonly #store: TraceStore
  readonly #clock: Clock
  readonly #node: NodeId

  constructor(store: TraceStore, clock: Clock, node: NodeId) {
    this.#store = store
    this.#clock = clock
    this.#node = node
  }

  record(letter: Pick<QueueItem, 'id' | 'messageId'>, steps: readonly TraceStep[]): void {
    if (steps.length === 0) return
    const atMs = this.#clock.nowMs()
    this.#store.add(
      steps.map(({ what, recipient, detail }) => {
        return { atMs, node: this.#node, queueId: letter.id, messageId: letter.messageId, what, recipient, detail }
      }),
    )
  }

  find(key: string): Promise<TraceEvent[]> {
    return this.#store.find(key)
  }
}
