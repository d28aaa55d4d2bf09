// Who of those in one line is next: by MT-PRIORITY (RFC 6710), highest first, and among equals by arrival.
// There are few priorities (-9 to 9 and an operator's hurry), so the cost does not grow with the line.
import type { QueueId } from './ports.ts'

export class PriorityOrder {
  readonly #levels = new Map<number, Set<QueueId>>()
  readonly #levelOf = new Map<QueueId, number>()

  /** Whoever is there already and keeps his priority keeps his place. */
  add(id: QueueId, priority: number): void {
    const before = this.#levelOf.get(id)
    if (before === priority) return
    // Hurried by an operator: nothing that comes later makes him wait again.
    if (before !== undefined && before > priority) return
    this.delete(id)
    let level = this.#levels.get(priority)
    if (!level) this.#levels.set(priority, (level = new Set()))
    level.add(id)
    this.#levelOf.set(id, priority)
  }

  delete(id: QueueId): void {
    const priority = this.#levelOf.get(id)
    if (priority === undefined) return
    this.#levelOf.delete(id)
    const level = this.#levels.get(priority)
    level?.delete(id)
    if (level?.size === 0) this.#levels.delete(priority)
  }

  first(): QueueId | undefined {
    if (this.#levels.size === 0) return undefined
    const highest = Math.max(...this.#levels.keys())
    return this.#levels.get(highest)?.values().next().value
  }
}
