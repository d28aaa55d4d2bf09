// A network between nodes in one process, from a clock and a seed: requests are delayed, overtake each other, are lost,
// come twice, and stop at partitions. Fills PeerLink; a node that has crashed neither hears nor answers.
import {
  peerLimits,
  SkeinError,
  type Clock,
  type NodeId,
  type PeerLink,
  type PeerService,
  type PeerStreams,
  type Timer,
} from '@skein/runtime'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedStreams } from './simulated-streams.ts'

export interface SimulatedNetworkSettings {
  delayMinMs?: number
  delayMaxMs?: number
  /** Of requests and of answers; the asker finds out when its patience ends. */
  dropChance?: number
  /** The handler is called a second time; that answer is thrown away. */
  duplicateChance?: number
  /** How long it takes until both sides notice that a line is cut or whole again. */
  noticeMaxMs?: number
  /** Before two nodes count as connected; where it rejects they are not, and try again a second later. */
  greet?: (a: NodeId, b: NodeId) => Promise<void>
  /** Called for each thing that happens: the order of these lines is the run's fingerprint. */
  onEvent?: (what: string) => void
}

type Handler = (from: NodeId, payload: Uint8Array) => Promise<Uint8Array>

interface Pending {
  from: Station
  to: NodeId
  fail: (text: string) => void
}

/** One life of a node on the network, from start to crash. */
interface Station {
  readonly id: NodeId
  alive: boolean
  readonly handlers: Map<PeerService, Handler>
  readonly listeners: Set<(peer: NodeId, state: 'up' | 'down') => void>
  /** With which life of the other node. */
  readonly connected: Map<NodeId, Station>
  readonly streams: SimulatedStreams
}

const greetAgainMs = 1_000

export class SimulatedNetwork {
  readonly #clock: Clock
  readonly #random: SeededRandom
  readonly #settings: Required<SimulatedNetworkSettings>
  readonly #stations = new Map<NodeId, Station>()
  readonly #pending = new Set<Pending>()
  /** Group number of each node; nodes of different groups do not hear each other. */
  readonly #groups = new Map<NodeId, number>()
  readonly #noticing = new Map<string, Timer>()
  #mayConnect: (a: NodeId, b: NodeId) => boolean = () => true

  constructor(clock: Clock, random: SeededRandom, settings: SimulatedNetworkSettings = {}) {
    this.#clock = clock
    this.#random = random
    this.#settings = {
      delayMinMs: 0.2,
      delayMaxMs: 20,
      dropChance: 0,
      duplicateChance: 0,
      noticeMaxMs: 200,
      greet: async () => {},
      onEvent: () => {},
      ...settings,
    }
  }

  /** A node starts: its link for this life. The life before, if any, is over. */
  join(id: NodeId): PeerLink & PeerStreams {
    this.crash(id)
    const station: Station = {
      id,
      alive: true,
      handlers: new Map(),
      listeners: new Set(),
      connected: new Map(),
      streams: new SimulatedStreams(id, this.#clock),
    }
    this.#stations.set(id, station)
    for (const other of this.#stations.keys()) if (other !== id) this.#reconsider(id, other)
    return this.#link(station)
  }

  /** The node is gone from one moment to the next. */
  crash(id: NodeId): void {
    const station = this.#stations.get(id)
    if (!station) return
    station.alive = false
    station.streams.close()
    this.#stations.delete(id)
    for (const pending of this.#pending) if (pending.from === station) this.#pending.delete(pending)
    for (const other of this.#stations.keys()) this.#reconsider(id, other)
  }

  /** Only nodes of one group hear each other. Whoever is named in no group is alone. */
  partition(groups: readonly (readonly NodeId[])[]): void {
    this.#groups.clear()
    groups.forEach((group, index) => group.forEach((id) => this.#groups.set(id, index + 1)))
    let alone = groups.length + 1
    for (const id of this.#stations.keys()) if (!this.#groups.has(id)) this.#groups.set(id, alone++)
    this.#reconsiderAll()
  }

  heal(): void {
    this.#groups.clear()
    this.#reconsiderAll()
  }

  /** From now on so much is lost and doubled. */
  disturb(chances: { drop: number; duplicate: number }): void {
    this.#settings.dropChance = chances.drop
    this.#settings.duplicateChance = chances.duplicate
  }

  /** Who may speak with whom at all (members); asked when lines are made. */
  allow(mayConnect: (a: NodeId, b: NodeId) => boolean): void {
    this.#mayConnect = mayConnect
    this.#reconsiderAll()
  }

  isConnected(a: NodeId, b: NodeId): boolean {
    return this.#stations.get(a)?.connected.has(b) ?? false
  }

  #reaches(a: NodeId, b: NodeId): boolean {
    return (
      this.#stations.has(a) &&
      this.#stations.has(b) &&
      (this.#groups.get(a) ?? 0) === (this.#groups.get(b) ?? 0) &&
      this.#mayConnect(a, b)
    )
  }

  #reconsiderAll(): void {
    const ids = [...this.#stations.keys()]
    for (const a of ids) for (const b of ids) if (a < b) this.#reconsider(a, b)
  }

  /** Both sides notice a moment later how things stand then. */
  #reconsider(a: NodeId, b: NodeId, withinMs = this.#settings.noticeMaxMs): void {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`
    if (this.#noticing.has(key)) return
    const timer = this.#clock.setTimer(this.#random.next() * withinMs, () => {
      this.#noticing.delete(key)
      this.#notice(a, b)
    })
    this.#noticing.set(key, timer)
  }

  #notice(a: NodeId, b: NodeId): void {
    const up = this.#reaches(a, b)
    const [here, there] = [this.#stations.get(a), this.#stations.get(b)]
    this.#lose(here, b, up ? there : undefined)
    this.#lose(there, a, up ? here : undefined)
    if (!up || !here || !there || (here.connected.has(b) && there.connected.has(a))) return
    this.#settings.greet(a, b).then(
      () => {
        if (!here.alive || !there.alive || !this.#reaches(a, b)) return this.#reconsider(a, b)
        this.#gain(here, there)
        this.#gain(there, here)
      },
      () => {
        this.#settings.onEvent(`${a} and ${b} do not greet`)
        this.#reconsider(a, b, greetAgainMs)
      },
    )
  }

  /** The line is cut, or the other node has died since, even where it is back. */
  #lose(station: Station | undefined, other: NodeId, now: Station | undefined): void {
    if (!station?.connected.has(other) || station.connected.get(other) === now) return
    this.#settings.onEvent(`${station.id} lost ${other}`)
    station.connected.delete(other)
    for (const pending of this.#pending) {
      if (pending.from === station && pending.to === other) pending.fail('the connection broke')
    }
    station.streams.lose(other)
    for (const listener of station.listeners) listener(other, 'down')
  }

  #gain(station: Station, other: Station): void {
    if (station.connected.get(other.id) === other) return
    this.#settings.onEvent(`${station.id} hears ${other.id}`)
    station.connected.set(other.id, other)
    for (const listener of station.listeners) listener(other.id, 'up')
  }

  #link(station: Station): PeerLink & PeerStreams {
    return {
      self: station.id,
      connected: () => [...station.connected.keys()],
      handle: (service, handler) => void station.handlers.set(service, handler),
      onPeerChange(listener) {
        station.listeners.add(listener)
        return () => void station.listeners.delete(listener)
      },
      request: (to, service, payload, options) => this.#request(station, to, service, payload, options),
      openStream: (to, service, header, options) =>
        station.streams.open(station.connected.get(to)?.streams, service, header, options),
      handleStream: (service, handler) => station.streams.handle(service, handler),
    }
  }

  #delayMs(): number {
    const { delayMinMs, delayMaxMs } = this.#settings
    return delayMinMs + this.#random.next() ** 3 * (delayMaxMs - delayMinMs)
  }

  #request(
    from: Station,
    to: NodeId,
    service: PeerService,
    payload: Uint8Array,
    options: { timeoutMs?: number } = {},
  ): Promise<Uint8Array> {
    // What a dead process asks for does not happen.
    if (!from.alive) return new Promise(() => {})
    if (payload.length > peerLimits.peerPayloadBytesMax) throw new Error(`a payload of ${payload.length} bytes`)
    const bytes = Uint8Array.from(payload)
    return new Promise((resolve, reject) => {
      const unreachable = (text: string) => new SkeinError('peer-unreachable', 'temporary', text)
      const target = from.connected.get(to)
      if (!target) return reject(unreachable('that node is not connected'))
      const settle = (act: () => void) => {
        if (!this.#pending.delete(pending)) return
        timer.cancel()
        if (from.alive) act()
      }
      const pending: Pending = { from, to, fail: (text) => settle(() => reject(unreachable(text))) }
      const timer = this.#clock.setTimer(options.timeoutMs ?? peerLimits.peerRequestTimeoutMs, () =>
        pending.fail('no answer in time'),
      )
      this.#pending.add(pending)
      const answer = (act: () => void) => this.#carry(to, from.id, `answer ${service}`, () => settle(act))
      this.#carry(from.id, to, `request ${service} ${bytes.length}`, () =>
        this.#serve(from.id, target, service, bytes, resolve, reject, answer),
      )
      if (this.#random.chance(this.#settings.duplicateChance)) {
        this.#carry(from.id, to, `again ${service} ${bytes.length}`, () =>
          this.#serve(
            from.id,
            target,
            service,
            bytes,
            () => {},
            () => {},
            () => {},
          ),
        )
      }
    })
  }

  /** Brings one thing from `a` to `b`, late, or not at all. */
  #carry(a: NodeId, b: NodeId, what: string, arrive: () => void): void {
    if (this.#random.chance(this.#settings.dropChance)) return this.#settings.onEvent(`${a} -> ${b} lost: ${what}`)
    this.#clock.setTimer(this.#delayMs(), () => {
      if (!this.#reaches(a, b)) return
      this.#settings.onEvent(`${a} -> ${b} ${what}`)
      arrive()
    })
  }

  /** A line leads to one life of a node: what was sent before its crash does not reach the next one. */
  #serve(
    from: NodeId,
    station: Station,
    service: PeerService,
    payload: Uint8Array,
    resolve: (answer: Uint8Array) => void,
    reject: (error: SkeinError) => void,
    answer: (act: () => void) => void,
  ): void {
    if (!station.alive) return
    const handler = station.handlers.get(service)
    if (!handler)
      return answer(() => reject(new SkeinError('peer-unreachable', 'temporary', `nobody answers ${service}`)))
    handler(from, payload).then(
      (bytes) => {
        const copy = Uint8Array.from(bytes)
        if (station.alive) answer(() => resolve(copy))
      },
      (error: unknown) => {
        if (!station.alive) return
        // As over the wire: code, kind and text come across, causes and stacks do not.
        const told =
          error instanceof SkeinError
            ? new SkeinError(error.code, error.kind, error.message)
            : new SkeinError('internal-error', 'temporary', 'the other node met an error', error)
        answer(() => reject(told))
      },
    )
  }
}
