// Keeps a connection with every member, for ever: jittered back-off over all known addresses, then what the DHT knows.
// libp2p's own reconnection gives up after five tries. Both sides of a pair may dial; the one with the higher PeerId lets
// the other begin, so that a pair that starts at once rarely dials twice.
import type { Clock, Logger, NodeId, Random, Timer } from '@skein/runtime'
import { meshLimits } from './settings.ts'

export interface SupervisorComponents {
  self: NodeId
  clock: Clock
  random: Random
  logger: Logger
  members(): { id: NodeId; addresses: string[] }[]
  isConnected(id: NodeId): boolean
  /** A connection with that member is being greeted just now. */
  isGreeting(id: NodeId): boolean
  /** Whether a dial makes sense at all now. */
  mayDial(): boolean
  /** Resolves when the peer is greeted. @throws whatever kept it from that */
  dial(id: NodeId, addresses: string[]): Promise<void>
  /** Current addresses as others know them. */
  lookUp(id: NodeId): Promise<string[]>
}

interface Ward {
  id: NodeId
  addresses: string[]
  failures: number
  connectedSinceMs: number | undefined
  timer: Timer | undefined
  dialling: boolean
}

export class Supervisor {
  readonly #with: SupervisorComponents
  readonly #wards = new Map<NodeId, Ward>()
  #stopped = false

  constructor(components: SupervisorComponents) {
    this.#with = components
  }

  /** Members or their addresses changed: new ones are tried at once. */
  refresh(): void {
    if (this.#stopped) return
    const members = new Map(this.#with.members().map((member) => [member.id, member.addresses]))
    for (const [id, ward] of this.#wards) {
      if (members.has(id)) continue
      ward.timer?.cancel()
      this.#wards.delete(id)
    }
    for (const [id, addresses] of members) {
      const ward = this.#wards.get(id)
      if (ward === undefined) this.#take(id, addresses)
      else if (addresses.some((address) => !ward.addresses.includes(address))) {
        ward.addresses = addresses
        ward.failures = 0
        this.#schedule(ward, 0)
      } else ward.addresses = addresses
    }
  }

  onUp(id: NodeId): void {
    const ward = this.#wards.get(id)
    if (ward === undefined) return
    ward.connectedSinceMs = this.#with.clock.monotonicMs()
    ward.timer?.cancel()
  }

  onDown(id: NodeId): void {
    const ward = this.#wards.get(id)
    if (ward === undefined || this.#stopped) return
    const sinceMs = ward.connectedSinceMs
    ward.connectedSinceMs = undefined
    // One that comes up only to go down again must not be dialled four times a second.
    if (sinceMs !== undefined && this.#with.clock.monotonicMs() - sinceMs < meshLimits.stableAfterMs) ward.failures += 1
    else ward.failures = 0
    this.#schedule(ward, this.#backOffMs(ward) + this.#politenessMs(id))
  }

  stop(): void {
    this.#stopped = true
    for (const ward of this.#wards.values()) ward.timer?.cancel()
    this.#wards.clear()
  }

  #take(id: NodeId, addresses: string[]): void {
    const ward: Ward = { id, addresses, failures: 0, connectedSinceMs: undefined, timer: undefined, dialling: false }
    this.#wards.set(id, ward)
    this.#schedule(ward, this.#politenessMs(id))
  }

  #schedule(ward: Ward, delayMs: number): void {
    ward.timer?.cancel()
    if (this.#stopped || ward.dialling) return
    ward.timer = this.#with.clock.setTimer(delayMs, () => void this.#try(ward))
  }

  async #try(ward: Ward): Promise<void> {
    const { id } = ward
    if (this.#stopped || ward.dialling || this.#with.isConnected(id)) return
    if (!this.#with.mayDial() || this.#with.isGreeting(id)) {
      this.#schedule(ward, meshLimits.reconnectMinMs * (1 + this.#with.random.next()))
      return
    }
    ward.dialling = true
    const tried = ward.addresses
    const failure = await this.#dial(ward).then(
      () => undefined,
      (error: unknown) => error,
    )
    ward.dialling = false
    if (this.#stopped || this.#wards.get(id) !== ward || this.#with.isConnected(id)) return
    ward.failures += 1
    const delayMs = ward.addresses === tried ? this.#backOffMs(ward) : 0
    this.#with.logger.debug({ peer: id, err: failure, failures: ward.failures, delayMs }, 'a dial failed')
    this.#schedule(ward, delayMs)
  }

  async #dial(ward: Ward): Promise<void> {
    const { id, addresses } = ward
    try {
      if (addresses.length === 0) throw new Error('no address is known')
      await this.#with.dial(id, addresses)
    } catch (error) {
      const found = (await this.#with.lookUp(id)).filter((address) => !addresses.includes(address))
      if (found.length === 0 || this.#stopped || this.#with.isConnected(id)) throw error
      this.#with.logger.info({ peer: id, addresses: found }, 'the DHT knows a newer address of a peer')
      await this.#with.dial(id, found)
    }
  }

  #backOffMs(ward: Ward): number {
    const fullMs = Math.min(meshLimits.reconnectMaxMs, meshLimits.reconnectMinMs * 2 ** Math.min(ward.failures, 16))
    return fullMs * (0.5 + this.#with.random.next() / 2)
  }

  #politenessMs(id: NodeId): number {
    return this.#with.self > id ? meshLimits.politenessMs * (0.5 + this.#with.random.next()) : 0
  }
}
