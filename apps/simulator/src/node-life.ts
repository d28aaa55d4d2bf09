// One life of a node, from start to crash: its clock stops firing and its log falls silent at the crash, so that nothing
// of a dead process goes on in the next one.
import type { Clock, LogFields, Logger, Timer } from '@skein/runtime'

export class NodeLife implements Clock {
  readonly #clock: Clock
  readonly #timers = new Set<Timer>()
  /** Resolves at the crash: what the dead node was asked will never be answered. */
  readonly whenOver: Promise<void>
  #end: () => void = () => {}
  #over = false

  constructor(clock: Clock) {
    this.#clock = clock
    this.whenOver = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  get over(): boolean {
    return this.#over
  }

  end(): void {
    this.#over = true
    this.#end()
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (this.#over) return { cancel() {} }
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer)
      callback()
    })
    this.#timers.add(timer)
    return {
      cancel: () => {
        this.#timers.delete(timer)
        timer.cancel()
      },
    }
  }

  /** Errors that the node itself calls errors are failures of the run. */
  logger(report: (level: 'warn' | 'error', message: string, fields: LogFields) => void): Logger {
    const logger: Logger = {
      debug() {},
      info() {},
      warn: (fields, message) => {
        if (!this.#over) report('warn', message, fields)
      },
      error: (fields, message) => {
        if (!this.#over) report('error', message, fields)
      },
      child: () => logger,
    }
    return logger
  }
}
