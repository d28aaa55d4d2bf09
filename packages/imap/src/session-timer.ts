// One timer for the two time-outs of a session: before login since the start, afterwards since the last input.
import type { Clock, Timer } from '@skein/runtime'
import type { ImapLimits } from './limits.ts'

/** From BYE until whatever hangs is cut off. */
export const BYE_GRACE_MS = 2_000

export interface TimedSession {
  readonly loggedIn: boolean
  /** It does nothing but wait for the client. */
  readonly waiting: boolean
  /** By the monotonic clock. */
  readonly lastInputMs: number
  leave(text: string): void
  destroy(): void
}

export class SessionTimer {
  readonly #session: TimedSession
  readonly #clock: Clock
  readonly #limits: ImapLimits
  /** When the client last became a stranger. */
  #strangerSinceMs: number
  #timer: Timer | undefined

  constructor(session: TimedSession, clock: Clock, limits: ImapLimits) {
    this.#session = session
    this.#clock = clock
    this.#limits = limits
    this.#strangerSinceMs = clock.monotonicMs()
  }

  /** Looks anew at which time-out holds: at the start, and after a login. */
  arm(): void {
    this.#timer?.cancel()
    const now = this.#clock.monotonicMs()
    const { loggedIn, waiting, lastInputMs } = this.#session
    const due = loggedIn
      ? lastInputMs + this.#limits.idleTimeoutMs
      : this.#strangerSinceMs + this.#limits.preAuthTimeoutMs
    if (now < due) {
      this.#timer = this.#clock.setTimer(due - now, () => this.arm())
    } else if (loggedIn && !waiting) {
      // A long answer is on its way: whether the client takes it is watched by `Output`.
      this.#timer = this.#clock.setTimer(this.#limits.idleTimeoutMs, () => this.arm())
    } else {
      this.#session.leave(loggedIn ? 'Nothing came for too long' : 'Nobody logged in for too long')
      // Whatever hangs, as a TLS handshake may, is cut off.
      this.#timer = this.#clock.setTimer(BYE_GRACE_MS, () => this.#session.destroy())
    }
  }

  /** The client is a stranger again. */
  restart(): void {
    this.#strangerSinceMs = this.#clock.monotonicMs()
    this.arm()
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}
