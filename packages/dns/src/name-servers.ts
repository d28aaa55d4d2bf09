// Which name servers are asked, in which order, and whose word on DNSSEC is believed.
import { getServers } from 'node:dns'
import { isIP } from 'node:net'
import { type Clock, createAddressSet } from '@skein/runtime'

export interface NameServer {
  address: string
  port: number
  /** Its AD bit is believed: it validates, and nobody stands between it and this node. */
  isTrusted: boolean
}

/** @throws RangeError for what is no IP address with or without a port. */
export function parseServer(text: string): { address: string; port: number } {
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text)
  const address = isIP(text) === 6 ? text : (match?.[1] ?? '')
  const port = isIP(text) === 6 ? 53 : Number(match?.[2] ?? 53)
  if (isIP(address) === 0 || port < 1 || port > 65_535) throw new RangeError(`no address of a name server: ${text}`)
  return { address, port }
}

export class NameServers {
  readonly #clock: Clock
  readonly #pauseMs: number
  readonly #fixed: readonly NameServer[] | null
  readonly #isTrusted: (address: string) => boolean
  /** `address port` to the time until which it goes last. */
  readonly #silentUntilMs = new Map<string, number>()
  #system: readonly NameServer[] | null = null

  /** @param servers empty: the system's. @param trusted addresses and CIDR blocks. @throws RangeError */
  constructor(clock: Clock, pauseMs: number, servers: readonly string[], trusted: readonly string[]) {
    this.#clock = clock
    this.#pauseMs = pauseMs
    this.#isTrusted = createAddressSet(trusted)
    this.#fixed = servers.length > 0 ? this.#choose(servers) : null
  }

  /**
   * In the order to ask them. Where one is trusted, only such are asked: what another one says could take back what DNSSEC
   * protects.
   */
  inOrder(): NameServer[] {
    const nowMs = this.#clock.monotonicMs()
    const servers = this.#fixed ?? (this.#system ??= this.#choose(getServers()))
    const isSilent = (server: NameServer) => (this.#silentUntilMs.get(keyOf(server)) ?? 0) > nowMs
    return [...servers.filter((server) => !isSilent(server)), ...servers.filter(isSilent)]
  }

  noteSilent(server: NameServer): void {
    this.#silentUntilMs.set(keyOf(server), this.#clock.monotonicMs() + this.#pauseMs)
    // The machine may be in another network by now.
    this.#system = null
  }

  noteAnswer(server: NameServer): void {
    this.#silentUntilMs.delete(keyOf(server))
  }

  #choose(texts: readonly string[]): NameServer[] {
    const servers = texts.map((text) => {
      const { address, port } = parseServer(text)
      return { address, port, isTrusted: this.#isTrusted(address.split('%')[0] ?? address) }
    })
    const trusted = servers.filter((server) => server.isTrusted)
    return trusted.length > 0 ? trusted : servers
  }
}

function keyOf({ address, port }: NameServer): string {
  return `${address} ${port}`
}
