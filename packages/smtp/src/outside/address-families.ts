// Which of IPv4 and IPv6 goes first: as set, but one that led nowhere lately goes last. Promises: neither is ever left out for good.
import { isIPv6 } from 'node:net'
import type { Clock } from '@skein/runtime'

export type FamilyOrder = 'ipv4-first' | 'ipv6-first' | 'ipv4' | 'ipv6'

type Family = 4 | 6

export class AddressFamilies {
  readonly #clock: Clock
  readonly #order: FamilyOrder
  readonly #pauseMs: number
  readonly #lastUntilMs: Record<Family, number> = { 4: 0, 6: 0 }

  constructor(clock: Clock, order: FamilyOrder, pauseMs: number) {
    this.#clock = clock
    this.#order = order
    this.#pauseMs = pauseMs
  }

  /** Stable within a family. */
  sorted(addresses: readonly string[]): string[] {
    const first: Family = this.#order.startsWith('ipv4') ? 4 : 6
    const only = !this.#order.endsWith('-first')
    const rank = (address: string) =>
      (this.#isPaused(familyOf(address)) ? 2 : 0) + (familyOf(address) === first ? 0 : 1)
    return addresses.filter((address) => !only || familyOf(address) === first).toSorted((a, b) => rank(a) - rank(b))
  }

  /** One address got a connection; these others of the same host did not. */
  note(connected: string, others: readonly string[]): void {
    const family = familyOf(connected)
    this.#lastUntilMs[family] = 0
    const other: Family = family === 4 ? 6 : 4
    if (others.some((address) => familyOf(address) === other)) {
      this.#lastUntilMs[other] = this.#clock.monotonicMs() + this.#pauseMs
    }
  }

  #isPaused(family: Family): boolean {
    return this.#lastUntilMs[family] > this.#clock.monotonicMs()
  }
}

export function familyOf(address: string): Family {
  return isIPv6(address) ? 6 : 4
}
