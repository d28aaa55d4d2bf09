// What happened in a run, in order: its hash is the run's fingerprint, its last lines tell how a failure came about.
import { createHash } from 'node:crypto'
import type { Clock } from '@skein/runtime'

/** Lines kept for a failure's report. */
const linesKept = 4_000

export class EventLog {
  readonly #hash = createHash('sha256')
  readonly #clock: Clock
  readonly #print: ((line: string) => void) | undefined
  #lines: string[] = []
  count = 0

  /** @param print for runs that are watched: gets every line. */
  constructor(clock: Clock, print?: (line: string) => void) {
    this.#clock = clock
    this.#print = print
  }

  add(what: string): void {
    const line = `${this.#clock.monotonicMs().toFixed(3).padStart(12)} ${what}`
    this.#hash.update(line).update('\n')
    this.count++
    this.#lines.push(line)
    if (this.#lines.length >= 2 * linesKept) this.#lines = this.#lines.slice(-linesKept)
    this.#print?.(line)
  }

  /** The last lines that name `about`; without it, simply the last. */
  tail(lines: number, about?: string): string[] {
    const wanted = about === undefined ? this.#lines : this.#lines.filter((line) => line.includes(about))
    return wanted.slice(-lines)
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}
