// One line for each destination: which recipients of which letters wait for their turn there, in order of arrival,
// and how the destination has answered lately.
import type { Timer } from '@skein/runtime'
import type { DeliveryResult, Destination, QueueId } from './ports.ts'
import { PriorityOrder } from './priority-order.ts'
import { destinationKey } from './route.ts'

export interface Line {
  readonly key: string
  /** The first letter's; all letters of a line have the same node or domain. */
  readonly destination: Destination
  readonly waiting: Map<QueueId, Set<number>>
  /** The same letters, as their turn comes. */
  readonly order: PriorityOrder
  running: number
  /** In a row; 0 while it answers. */
  failures: number
  /** Counts what was learned of the destination: an attempt that began before its last change says nothing new by failing. */
  era: number
  blockedUntilMs: number
  /** What it said, or did not, last. */
  trouble: DeliveryResult | null
  timer: Timer | undefined
}

export class DestinationLines {
  readonly #lines = new Map<string, Line>()
  readonly #places = new Map<QueueId, Map<number, Line>>()

  get(key: string): Line | undefined {
    return this.#lines.get(key)
  }

  all(): Line[] {
    return [...this.#lines.values()]
  }

  /** Where each recipient of that letter waits. */
  placesOf(id: QueueId): ReadonlyMap<number, Line> | undefined {
    return this.#places.get(id)
  }

  enter(id: QueueId, index: number, destination: Destination, priority = 0): Line {
    const key = destinationKey(destination)
    let line = this.#lines.get(key)
    if (!line) {
      line = {
        key,
        destination,
        waiting: new Map(),
        order: new PriorityOrder(),
        running: 0,
        failures: 0,
        era: 0,
        blockedUntilMs: 0,
        trouble: null,
        timer: undefined,
      }
      this.#lines.set(key, line)
    }
    let indexes = line.waiting.get(id)
    if (!indexes) line.waiting.set(id, (indexes = new Set()))
    indexes.add(index)
    line.order.add(id, priority)
    let places = this.#places.get(id)
    if (!places) this.#places.set(id, (places = new Map()))
    places.set(index, line)
    return line
  }

  leave(line: Line, id: QueueId, index: number): void {
    const indexes = line.waiting.get(id)
    indexes?.delete(index)
    if (indexes?.size === 0) {
      line.waiting.delete(id)
      line.order.delete(id)
    }
    const places = this.#places.get(id)
    places?.delete(index)
    if (places?.size === 0) this.#places.delete(id)
  }

  /** The letter waits nowhere any more. Returns the lines it left. */
  leaveAll(id: QueueId): Set<Line> {
    const left = new Set(this.#places.get(id)?.values())
    this.#places.delete(id)
    for (const line of left) {
      line.waiting.delete(id)
      line.order.delete(id)
    }
    return left
  }

  toFront(line: Line, id: QueueId): void {
    if (line.waiting.has(id)) line.order.add(id, Infinity)
  }

  /** Forgets a line where nobody waits, nothing runs and no back-off is on. */
  remove(line: Line): void {
    line.timer?.cancel()
    line.timer = undefined
    if (this.#lines.get(line.key) === line) this.#lines.delete(line.key)
  }
}
