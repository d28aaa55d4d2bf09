// Time that passes only when it is told to. Timers of one moment fire in the order in which they were set; between two
// timers everything that promises can do is done, so that a run depends on nothing but its inputs.
import type { Clock, Timer } from '@skein/runtime'

interface PendingTimer {
  dueMs: number
  order: number
  callback: () => void
}

/** Earliest first; of the same moment, the one set first. */
function before(a: PendingTimer, b: PendingTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}

export class VirtualClock implements Clock {
  #nowMs: number
  readonly #startMs: number
  readonly #heap: PendingTimer[] = []
  readonly #cancelled = new Set<PendingTimer>()
  #order = 0

  /** @param startMs the wall clock at the start; default 2026-01-01T00:00:00Z. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
    this.#startMs = startMs
  }

  /** Whole milliseconds, as the real one gives. */
  nowMs(): number {
    return Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#push(timer)
    let live = true
    timer.callback = () => {
      live = false
      callback()
    }
    return {
      cancel: () => {
        if (live) this.#cancelled.add(timer)
        live = false
      },
    }
  }

  /** Timers that are set and not cancelled. */
  get pending(): number {
    return this.#heap.length - this.#cancelled.size
  }

  /** When the next timer is due, or undefined when none is set. */
  nextDueMs(): number | undefined {
    this.#dropCancelled()
    return this.#heap[0]?.dueMs
  }

  /** Lets promises settle, moves to the next timer, fires it and lets promises settle again. False when no timer is set. */
  async step(): Promise<boolean> {
    await settled()
    this.#dropCancelled()
    const timer = this.#heap[0]
    if (!timer) return false
    this.#pop()
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs)
    timer.callback()
    await settled()
    return true
  }

  /** Lets `durationMs` pass, firing what falls due on the way. */
  async advance(durationMs: number): Promise<void> {
    await this.advanceTo(this.#nowMs + durationMs)
  }

  async advanceTo(untilMs: number): Promise<void> {
    await settled()
    for (;;) {
      const dueMs = this.nextDueMs()
      if (dueMs === undefined || dueMs > untilMs) break
      await this.step()
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  /** Lets time pass until `promise` is settled, and gives its outcome. @throws when `limitMs` of virtual time did not do. */
  async runUntil<Result>(promise: Promise<Result>, limitMs = 3600_000): Promise<Result> {
    const outcome = { settled: false }
    const mark = () => {
      outcome.settled = true
    }
    promise.then(mark, mark)
    const limit = this.#nowMs + limitMs
    await settled()
    while (!outcome.settled) {
      const dueMs = this.nextDueMs()
      if (dueMs === undefined || dueMs > limit) throw new Error(`not settled within ${limitMs} ms of virtual time`)
      await this.step()
    }
    return promise
  }

  #dropCancelled(): void {
    for (let first = this.#heap[0]; first && this.#cancelled.has(first); first = this.#heap[0]) {
      this.#cancelled.delete(first)
      this.#pop()
    }
  }

  #push(timer: PendingTimer): void {
    const heap = this.#heap
    let at = heap.push(timer) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(timer, heap[parent] as PendingTimer)) break
      heap[at] = heap[parent] as PendingTimer
      at = parent
    }
    heap[at] = timer
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as PendingTimer
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as PendingTimer, heap[child] as PendingTimer)) child++
      if (!before(heap[child] as PendingTimer, last)) break
      heap[at] = heap[child] as PendingTimer
      at = child
    }
    heap[at] = last
  }
}

/** Resolves when every promise chain that needs no timer and no outside world has run to its end. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
