// When a client must have sent something. Looked at from time to time by whoever keeps the session, cheaper than a timer for each
// read. While the client waits for us there is no deadline.
import type { Clock } from '@skein/runtime'
import type { SmtpLimits } from './limits.ts'

export class SessionDeadlines {
  readonly #clock: Clock
  readonly #limits: SmtpLimits
  #turnMs = Infinity
  #letterMs = Infinity

  constructor(clock: Clock, limits: SmtpLimits) {
    this.#clock = clock
    this.#limits = limits
    this.commandTurn()
  }

  commandTurn(): void {
    this.#turnMs = this.#clock.monotonicMs() + this.#limits.commandTimeoutMs
  }

  handshakeTurn(): void {
    this.#turnMs = this.#clock.monotonicMs() + this.#limits.tlsHandshakeTimeoutMs
  }

  /** After a command's callback, which gives the client the time for a command. */
  dataTurn(): void {
    this.#turnMs = this.#clock.monotonicMs() + this.#limits.dataTimeoutMs
  }

  ourTurn(): void {
    this.#turnMs = Infinity
  }

  letterBegins(): void {
    this.#letterMs = this.#clock.monotonicMs() + this.#limits.dataTotalTimeoutMs
  }

  letterEnds(): void {
    this.#letterMs = Infinity
  }

  arePast(nowMs: number): boolean {
    return nowMs >= this.#turnMs || nowMs >= this.#letterMs
  }
}
