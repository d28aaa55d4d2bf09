// Reverse DNS, confirmed forwards: the name of an address counts only where the name says the same of the address.
import { type Clock, type DnsResolver, isErrorCode, plainAddress } from '@skein/runtime'
import { isSameAddress } from './client-network.ts'
import type { DoorLimits } from './limits.ts'
import { Patience } from './patience.ts'

/** confirmed: with its name. none: the DNS says that there is none, or another address's. unknown: the DNS did not say. */
export type ReverseName = { kind: 'confirmed'; name: string } | { kind: 'none' } | { kind: 'unknown' }

const hostName = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/

export class ReverseNames {
  readonly #resolver: DnsResolver
  readonly #limits: DoorLimits
  readonly #patience: Patience

  constructor(parts: { resolver: DnsResolver; clock: Clock }, limits: DoorLimits) {
    this.#resolver = parts.resolver
    this.#limits = limits
    this.#patience = new Patience(parts.clock, limits)
  }

  /** Never throws. */
  async find(address: string): Promise<ReverseName> {
    if (this.#patience.isOver) return { kind: 'unknown' }
    try {
      const name = await this.#confirmed(plainAddress(address))
      this.#patience.answered()
      return name
    } catch (error) {
      if (isErrorCode(error, 'no-such-domain')) {
        this.#patience.answered()
        return { kind: 'none' }
      }
      this.#patience.failed()
      return { kind: 'unknown' }
    }
  }

  async #confirmed(address: string): Promise<ReverseName> {
    const { records } = await this.#resolver.ptr(address)
    let failure: unknown
    for (const given of records.slice(0, this.#limits.reverseNamesMax)) {
      const name = given.toLowerCase().replace(/\.$/, '')
      if (!hostName.test(name)) continue
      try {
        const found = address.includes(':') ? await this.#resolver.aaaa(name) : await this.#resolver.a(name)
        if (found.records.some((record) => isSameAddress(record, address))) return { kind: 'confirmed', name }
      } catch (error) {
        if (!isErrorCode(error, 'no-such-domain')) failure = error
      }
    }
    // One of the names might have been it.
    if (failure !== undefined) throw failure
    return { kind: 'none' }
  }
}
