// Connections that wait a few seconds for the next letter to the same host.
import type { Clock, Timer } from '@skein/runtime'
import type { OutsideLimits } from '../limits.ts'
import type { MailConnection } from './mail-connection.ts'
import type { MailHost } from './mail-hosts.ts'

interface Idle {
  connection: MailConnection
  timer: Timer
}

export class ConnectionPool {
  readonly #clock: Clock
  readonly #limits: OutsideLimits
  readonly #idle = new Map<string, Idle[]>()
  #count = 0
  #isClosed = false

  constructor(clock: Clock, limits: OutsideLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** Takes one out that still stands, to one of these addresses of a host, if there is any. @param key of its TLS terms */
  take(hosts: readonly MailHost[], key: string): MailConnection | undefined {
    for (const host of hosts) {
      const place = keyOf(host, key)
      const waiting = this.#idle.get(place) ?? []
      for (let idle = waiting.pop(); idle; idle = waiting.pop()) {
        this.#forget(idle)
        if (!idle.connection.isBroken) return idle.connection
      }
      this.#idle.delete(place)
    }
    return undefined
  }

  /** Gives one back, to be kept or closed. */
  put(connection: MailConnection): void {
    const isWornOut = connection.letters >= this.#limits.lettersPerConnectionMax
    if (connection.isBroken) return
    if (this.#isClosed || isWornOut || this.#count >= this.#limits.connectionsKeptMax) return connection.quit()
    const key = keyOf(connection.host, connection.terms.key)
    const waiting = this.#idle.get(key) ?? []
    const idle: Idle = {
      connection,
      timer: this.#clock.setTimer(this.#limits.reuseIdleMs, () => this.#expire(key, idle)),
    }
    waiting.push(idle)
    this.#idle.set(key, waiting)
    this.#count += 1
  }

  #expire(key: string, idle: Idle): void {
    const waiting = this.#idle.get(key)?.filter((other) => other !== idle) ?? []
    if (waiting.length > 0) this.#idle.set(key, waiting)
    else this.#idle.delete(key)
    this.#forget(idle)
    idle.connection.quit()
  }

  #forget(idle: Idle): void {
    idle.timer.cancel()
    this.#count -= 1
  }

  close(): void {
    this.#isClosed = true
    for (const waiting of this.#idle.values()) {
      for (const idle of waiting) {
        idle.timer.cancel()
        idle.connection.quit()
      }
    }
    this.#idle.clear()
    this.#count = 0
  }
}

function keyOf({ name, address, port }: MailHost, terms: string): string {
  return `${name} ${address} ${port} ${terms}`
}
