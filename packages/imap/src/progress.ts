// Tells the client how far a long command is (RFC 9585), so that it neither gives up nor wonders.
// Promises: says nothing in the first `progressIntervalMs` of a command, nor more often than that, and only between answers.
import type { Clock, Timer } from '@skein/runtime'
import type { Output } from './output.ts'
import { formatString } from './wire/encode.ts'

export class Progress {
  readonly #out: Output
  readonly #clock: Clock
  readonly #intervalMs: number
  #tag = ''
  #toldMs = 0

  constructor(out: Output, clock: Clock, intervalMs: number) {
    this.#out = out
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  /** A command begins. */
  start(tag: string): void {
    this.#tag = tag
    this.#toldMs = this.#clock.monotonicMs()
  }

  /** To be called now and then, where an answer may stand. */
  tick(done: number, goal: number): void {
    if (this.#clock.monotonicMs() - this.#toldMs < this.#intervalMs) return
    this.#say(`${done} ${goal > 0 ? goal : 'NIL'}`)
  }

  /** For work in one piece, during which nothing else is answered. */
  async during<Result>(work: Promise<Result>): Promise<Result> {
    let timer: Timer | undefined
    const again = () => {
      timer = this.#clock.setTimer(this.#intervalMs, () => {
        this.#say('NIL NIL')
        again()
      })
    }
    again()
    try {
      return await work
    } finally {
      timer?.cancel()
    }
  }

  #say(state: string): void {
    this.#toldMs = this.#clock.monotonicMs()
    // RFC 9585 §4: a tag with `]` cannot stand in a response code.
    const tag = this.#tag.includes(']') ? 'NIL' : formatString(this.#tag)
    this.#out.text(`* OK [INPROGRESS (${tag} ${state})] Still at work\r\n`)
    this.#out.flush()
  }
}
