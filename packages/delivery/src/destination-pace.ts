// How fast letters go to one outside destination: few at once to a new one, more as it takes them, half as many when it says that it
// is too much, and never more in a minute than the operator allows. Pure but for the clock; what is known is bounded and forgotten.
import type { Clock } from '@skein/runtime'
import type { DeliveryLimits } from './limits.ts'
import type { DeliveryResult } from './ports.ts'

interface Pace {
  /** Letters at once that it gets now. */
  atOnce: number
  /** Taken since `atOnce` last grew. */
  taken: number
  /** Attempts that began by then say nothing new by failing; -1: it never was too much. */
  shrunkMs: number
  /** When the next letter may go, where there is a rate. */
  nextMs: number
  usedMs: number
}

export class DestinationPaces {
  readonly #clock: Clock
  readonly #limits: DeliveryLimits
  readonly #perMinute: Readonly<Record<string, number>>
  /** The longest unused first. */
  readonly #paces = new Map<string, Pace>()

  /** @param perMinute letters a minute by domain; `*` for all that are not named. */
  constructor(clock: Clock, limits: DeliveryLimits, perMinute: Readonly<Record<string, number>> = {}) {
    this.#clock = clock
    this.#limits = limits
    this.#perMinute = perMinute
  }

  /** Letters at once to that domain. */
  atOnceMax(domain: string): number {
    return Math.min(this.#paces.get(domain)?.atOnce ?? this.#start(), this.#limits.outsideDeliveriesPerDomainMax)
  }

  /** 0, or how long the next letter has to wait for its turn within the minute. */
  waitMs(domain: string): number {
    const nextMs = this.#paces.get(domain)?.nextMs ?? 0
    return Math.max(0, nextMs - this.#clock.monotonicMs())
  }

  /** A letter goes there now. Returns the moment, for `ended`. */
  started(domain: string): number {
    const nowMs = this.#clock.monotonicMs()
    const pace = this.#use(domain, nowMs)
    const perMinute = this.#perMinute[domain] ?? this.#perMinute['*']
    if (perMinute) pace.nextMs = Math.max(pace.nextMs, nowMs) + 60_000 / perMinute
    return nowMs
  }

  ended(domain: string, startedMs: number, results: readonly DeliveryResult[]): void {
    const nowMs = this.#clock.monotonicMs()
    const pace = this.#use(domain, nowMs)
    if (results.some(isTooMuch)) {
      if (startedMs <= pace.shrunkMs) return
      pace.atOnce = Math.max(1, Math.floor(pace.atOnce / 2))
      pace.taken = 0
      pace.shrunkMs = nowMs
      return
    }
    if (!results.some((result) => result.kind === 'delivered')) return
    pace.taken += 1
    // Twice as many after each round in the beginning, one more a round after the first sign of too much.
    const wanted = pace.shrunkMs >= 0 ? pace.atOnce : 1
    if (pace.taken < wanted || pace.atOnce >= this.#limits.outsideDeliveriesPerDomainMax) return
    pace.atOnce += 1
    pace.taken = 0
  }

  #start(): number {
    return Math.min(this.#limits.outsideDeliveriesAtStart, this.#limits.outsideDeliveriesPerDomainMax)
  }

  #use(domain: string, nowMs: number): Pace {
    let pace = this.#paces.get(domain)
    if (!pace || nowMs - pace.usedMs > this.#limits.outsidePaceKeepMs) {
      pace = { atOnce: this.#start(), taken: 0, shrunkMs: -1, nextMs: pace?.nextMs ?? 0, usedMs: nowMs }
    }
    pace.usedMs = nowMs
    this.#paces.delete(domain)
    this.#paces.set(domain, pace)
    const [oldest] = this.#paces.keys()
    if (this.#paces.size > this.#limits.outsidePacesMax && oldest !== undefined) this.#paces.delete(oldest)
    return pace
  }
}

/** RFC 5321 §3.8: 421 closes the connection; RFC 3463 §3.5: nobody answers, the line broke, the system is congested. */
function isTooMuch({ kind, code, status }: DeliveryResult): boolean {
  return kind === 'temporary' && (code === 421 || /^4\.4\.[125]$/.test(status) || status === '4.3.2')
}
