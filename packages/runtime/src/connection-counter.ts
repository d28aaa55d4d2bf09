// How many connections stand, in all and from each client.
import { clientKey } from './address-set.ts'

export class ConnectionCounter {
  readonly #max: number
  readonly #perAddressMax: number
  readonly #isTrusted: (address: string) => boolean
  readonly #byClient = new Map<string, number>()
  #count = 0

  constructor(max: number, perAddressMax: number, isTrusted: (address: string) => boolean) {
    this.#max = max
    this.#perAddressMax = perAddressMax
    this.#isTrusted = isTrusted
  }

  get count(): number {
    return this.#count
  }

  /** Counts one in, unless it is one too many. Whoever gets `ok` calls `leave` once. */
  enter(address: string): 'ok' | 'too-many' | 'too-many-from-address' {
    if (this.#count >= this.#max) return 'too-many'
    if (!this.#isTrusted(address)) {
      const key = clientKey(address)
      const here = this.#byClient.get(key) ?? 0
      if (here >= this.#perAddressMax) return 'too-many-from-address'
      this.#byClient.set(key, here + 1)
    }
    this.#count += 1
    return 'ok'
  }

  leave(address: string): void {
    this.#count -= 1
    if (this.#isTrusted(address)) return
    const key = clientKey(address)
    const here = this.#byClient.get(key) ?? 0
    if (here <= 1) this.#byClient.delete(key)
    else this.#byClient.set(key, here - 1)
  }
}
