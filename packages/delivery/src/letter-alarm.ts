// One timer for all letters: rings for each when its moment has come.
import type { Clock, Timer } from '@skein/runtime'
import { DueHeap } from './due-heap.ts'
import type { QueueId } from './ports.ts'

export class LetterAlarm {
  readonly #clock: Clock
  readonly #ring: (id: QueueId, nowMs: number) => void
  readonly #due = new DueHeap()
  #timer: Timer | undefined
  #atMs = Infinity

  constructor(clock: Clock, ring: (id: QueueId, nowMs: number) => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** In place of what was set for that letter before; undefined: it needs none. */
  set(id: QueueId, atMs: number | undefined): void {
    this.#due.set(id, atMs)
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    const firstMs = this.#due.firstMs()
    if (firstMs === undefined || firstMs >= this.#atMs) return
    this.#timer?.cancel()
    this.#atMs = firstMs
    this.#timer = this.#clock.setTimer(Math.max(0, firstMs - this.#clock.nowMs()), () => {
      this.#atMs = Infinity
      const nowMs = this.#clock.nowMs()
      for (let id = this.#due.take(nowMs); id !== undefined; id = this.#due.take(nowMs)) this.#ring(id, nowMs)
      this.#arm()
    })
  }
}
