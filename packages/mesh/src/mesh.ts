// The mesh of one node: fills PeerLink with libp2p. Requests go over one greeted connection a peer; who may speak is the
// gate's decision, asked again at every step; a lost peer is dialled until it is back.
import type { Connection, Stream } from '@libp2p/interface'
import { SkeinError, assert, peerLimits, peerStreamLimits } from '@skein/runtime'
import type { NodeId, PeerService, PeerStream, PeerStreamHandler, PeerStreamService } from '@skein/runtime'
import type { Mesh, MeshComponents, MeshPeer, MeshStatus } from './create-mesh.ts'
import { Door } from './door.ts'
import { unreachable } from './failure.ts'
import { createLibp2pNode } from './libp2p-node.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import { nodeIdOf } from './node-key.ts'
import { dialAddressOf, dialAddressesOf } from './peer-address.ts'
import { PeerConnection } from './peer-connection.ts'
import type { ConnectionHost } from './peer-connection.ts'
import { PeerTable } from './peer-table.ts'
import type { PeerListener } from './peer-table.ts'
import { Reception } from './reception.ts'
import {
  completeSettings,
  helloProtocol,
  joinProtocol,
  meshLimits,
  protocolPrefix,
  requestServices,
  streamServices,
} from './settings.ts'
import type { LiveMeshSettings, MeshSettings, RequestService } from './settings.ts'
import { Supervisor } from './supervisor.ts'

type Handler = (from: NodeId, payload: Uint8Array) => Promise<Uint8Array>

export class Libp2pMesh implements Mesh {
  readonly self: NodeId
  readonly #with: MeshComponents
  readonly #settings: MeshSettings
  readonly #peers: PeerTable
  readonly #door: Door
  readonly #reception: Reception
  readonly #handlers = new Map<RequestService, Handler>()
  readonly #streamHandlers = new Map<PeerStreamService, PeerStreamHandler>()
  readonly #connections = new Map<string, PeerConnection>()
  #node: Libp2pNode | undefined
  #supervisor: Supervisor | undefined
  #stopWatching: (() => void) | undefined
  #refreshQueued = false
  #starting: Promise<void> = Promise.resolve()

  constructor(components: MeshComponents, settings: MeshSettings) {
    this.#with = components
    this.#settings = settings
    this.self = nodeIdOf(components.privateKey)
    this.#peers = new PeerTable(this.self, components.logger)
    this.#door = new Door(components.gate, {
      serving: () => this.#settings.serve,
      connecting: () => this.#settings.connect,
      inboundFull: () => this.#count('inbound') >= this.#settings.inboundConnectionsMax,
      outboundFull: () => this.#count('outbound') >= this.#settings.outboundConnectionsMax,
    })
    this.#reception = new Reception({
      self: this.self,
      gate: components.gate,
      door: this.#door,
      clock: components.clock,
      logger: components.logger,
      secondFactor: () => this.#settings.secondFactor,
    })
  }

  start(): Promise<void> {
    assert(this.#node === undefined, 'the mesh is started once at a time')
    this.#starting = this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { gate, privateKey, logger } = this.#with
    const isMember = (id: NodeId) => gate.isMember(id)
    const node = await createLibp2pNode({ privateKey, door: this.#door, logger, isMember }, this.#settings)
    this.#node = node
    const host = this.#hostOf(this.#with.random.bytes(8))
    node.addEventListener('connection:open', (event) => this.#onOpen(host, event.detail))
    try {
      await this.#register(node)
      await node.start()
    } catch (error) {
      this.#node = undefined
      await node.stop()
      const where = this.#settings.listenAddresses.join(', ')
      const why = 'another program uses the port, or this machine has no such address'
      throw new SkeinError('listen-failed', 'temporary', `the mesh can't listen on ${where}: ${why}`, error)
    }
    this.#supervisor = this.#createSupervisor(node)
    const stopUps = this.#peers.onChange((peer, state) => {
      if (state === 'up') this.#supervisor?.onUp(peer)
      else this.#supervisor?.onDown(peer)
    })
    const stopGate = gate.onGateChange(() => this.#onGateChange())
    this.#stopWatching = () => {
      stopUps()
      stopGate()
    }
    this.#supervisor.refresh()
  }

  async stop(): Promise<void> {
    await this.#starting.catch(() => {})
    const node = this.#node
    if (node === undefined) return
    this.#node = undefined
    this.#stopWatching?.()
    this.#supervisor?.stop()
    this.#supervisor = undefined
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()))
    await node.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  listenAddresses(): string[] {
    return this.#node?.boundAddresses().map((address) => `${address.toString()}/p2p/${this.self}`) ?? []
  }

  peers(): MeshPeer[] {
    return this.#peers.primaries().map((connection) => ({
      id: connection.peer,
      address: connection.address,
      sinceMs: connection.openedMs,
      rttMs: connection.rttMs,
      lastSeenMs: connection.lastSeenMs,
    }))
  }

  status(): MeshStatus {
    let streams = 0
    let byteStreams = 0
    for (const connection of this.#connections.values()) {
      streams += connection.streams
      byteStreams += connection.byteStreams
    }
    const [inboundConnections, outboundConnections] = [this.#count('inbound'), this.#count('outbound')]
    return { inboundConnections, outboundConnections, streams, byteStreams }
  }

  disconnect(id: NodeId): void {
    for (const connection of this.#connections.values()) {
      if (connection.peer === id) connection.abort(unreachable('the connection was closed here'))
    }
  }

  configure(change: Partial<LiveMeshSettings>): void {
    Object.assign(this.#settings, completeSettings({ ...this.#settings, ...change }))
    this.#onGateChange()
  }

  connected(): NodeId[] {
    return this.#peers.connected()
  }

  async request(
    to: NodeId,
    service: PeerService,
    payload: Uint8Array,
    options: { timeoutMs?: number } = {},
  ): Promise<Uint8Array> {
    assert(isRequestService(service), 'hello belongs to the mesh itself')
    const connection = this.#peers.primary(to)
    if (connection === undefined) throw unreachable('not connected with this peer')
    return connection.request(service, payload, options.timeoutMs ?? peerLimits.peerRequestTimeoutMs)
  }

  handle(service: PeerService, handler: Handler): void {
    assert(isRequestService(service), 'hello belongs to the mesh itself')
    assert(!this.#handlers.has(service), `one handler answers ${service}`)
    this.#handlers.set(service, handler)
  }

  async openStream(
    to: NodeId,
    service: PeerStreamService,
    header: Uint8Array,
    options: { timeoutMs?: number } = {},
  ): Promise<PeerStream> {
    const connection = this.#peers.primary(to)
    if (connection === undefined) throw unreachable('not connected with this peer')
    return connection.openStream(service, header, options.timeoutMs ?? peerStreamLimits.openTimeoutMs)
  }

  handleStream(service: PeerStreamService, handler: PeerStreamHandler): void {
    assert(!this.#streamHandlers.has(service), `one handler takes the streams of ${service}`)
    this.#streamHandlers.set(service, handler)
  }

  onPeerChange(listener: PeerListener): () => void {
    return this.#peers.onChange(listener)
  }

  #hostOf(session: Uint8Array): ConnectionHost {
    const { gate, clock, logger } = this.#with
    return {
      self: this.self,
      session,
      gate,
      clock,
      logger,
      secondFactor: () => this.#settings.secondFactor,
      suspectAfterMs: () => this.#settings.suspectAfterMs,
      handle: (service, from, payload) => this.#answer(service, from, payload),
      handleStream: (service, from, header) => this.#acceptStream(service, from, header),
      onGreeted: (connection) => this.#onGreeted(connection),
      onRetired: (connection) => this.#peers.demote(connection),
      onClosed: (connection) => this.#peers.remove(connection),
    }
  }

  async #answer(service: RequestService, from: NodeId, payload: Uint8Array): Promise<Uint8Array> {
    this.#checkAsker(from)
    const handler = this.#handlers.get(service)
    if (handler === undefined)
      throw new SkeinError('peer-not-serving', 'temporary', `nothing answers ${service} here yet`)
    return handler(from, payload)
  }

  async #acceptStream(
    service: PeerStreamService,
    from: NodeId,
    header: Uint8Array,
  ): Promise<(stream: PeerStream) => void> {
    this.#checkAsker(from)
    const handler = this.#streamHandlers.get(service)
    if (handler === undefined)
      throw new SkeinError('peer-not-serving', 'temporary', `nothing answers ${service} here yet`)
    return handler(from, header)
  }

  #checkAsker(from: NodeId): void {
    // The connection of one that is no longer a member is being closed; what it sent just before counts no more.
    if (!this.#with.gate.isMember(from)) throw new SkeinError('not-a-member', 'refused', 'not a member of this mesh')
    if (!this.#settings.serve) throw new SkeinError('peer-not-serving', 'temporary', 'this node serves no others now')
  }

  async #register(node: Libp2pNode): Promise<void> {
    const streams = {
      maxInboundStreams: meshLimits.serviceStreamsMax,
      maxOutboundStreams: meshLimits.serviceStreamsMax,
    }
    const member = (accept: (peer: PeerConnection, stream: Stream) => void) =>
      this.#door.membersOnly((stream, connection) => {
        const peer = this.#connections.get(connection.id)
        if (peer === undefined) stream.abort(unreachable('the connection is closing'))
        else accept(peer, stream)
      })
    const hello = member((peer, stream) => peer.acceptControl(stream))
    await node.handle(helloProtocol, hello, streams)
    await node.handle(joinProtocol, (stream, connection) => this.#reception.onStream(stream, connection), streams)
    for (const service of requestServices) {
      const accept = member((peer, stream) => peer.acceptService(service, stream))
      await node.handle(protocolPrefix + service, accept, streams)
    }
    for (const service of streamServices) {
      const accept = member((peer, stream) => peer.acceptStreams(service, stream))
      await node.handle(protocolPrefix + service, accept, streams)
    }
  }

  #onOpen(host: ConnectionHost, connection: Connection): void {
    // The gate may have changed during the handshake.
    if (this.#node === undefined || !this.#door.allows(connection)) {
      connection.abort(new SkeinError('not-a-member', 'refused', 'not a member of this mesh'))
      return
    }
    // Several may have shaken hands at a time when there was room for one.
    const { inboundConnectionsMax, outboundConnectionsMax } = this.#settings
    const max = connection.direction === 'inbound' ? inboundConnectionsMax : outboundConnectionsMax
    const ofThisPeer = this.#node.getConnections(connection.remotePeer).length
    if (this.#count(connection.direction) > max || ofThisPeer > meshLimits.connectionsPerPeerMax) {
      connection.abort(new SkeinError('too-many-connections', 'temporary', 'the node has no room for more connections'))
      return
    }
    const id = connection.remotePeer.toString()
    if (!this.#with.gate.isMember(id)) {
      this.#reception.admit(connection)
      return
    }
    const peer = new PeerConnection(host, connection)
    this.#connections.set(connection.id, peer)
    connection.addEventListener('close', () => this.#connections.delete(connection.id))
    if (peer.outbound) void peer.greet()
  }

  #onGreeted(peer: PeerConnection): void {
    this.#peers.add(peer)
    // kad-dht pings a peer that it hears of and forgets one that does not answer: not over a connection about to retire.
    this.#with.clock.setTimer(meshLimits.settledAfterMs, () => this.#identify(peer.peer))
  }

  /** Tells the DHT that the peer takes part and where it listens. */
  #identify(id: NodeId): void {
    const identify = this.#node?.services.identify
    if (identify !== undefined) this.#peers.primary(id)?.identify((connection) => identify.identify(connection))
  }

  #onGateChange(): void {
    const node = this.#node
    if (node === undefined) return
    for (const connection of node.getConnections()) {
      if (this.#door.allows(connection)) continue
      const because = new SkeinError('not-a-member', 'refused', 'not a member of this mesh')
      const peer = this.#connections.get(connection.id)
      if (peer === undefined) connection.abort(because)
      else peer.abort(because)
    }
    if (this.#refreshQueued) return
    this.#refreshQueued = true
    queueMicrotask(() => {
      this.#refreshQueued = false
      try {
        this.#supervisor?.refresh()
      } catch (error) {
        this.#with.logger.error({ err: error }, 'the members to connect with could not be read')
      }
    })
  }

  #createSupervisor(node: Libp2pNode): Supervisor {
    const { gate, clock, random, logger } = this.#with
    return new Supervisor({
      self: this.self,
      clock,
      random,
      logger,
      members: () =>
        gate.peerAddresses().map(({ id, addresses }) => ({ id, addresses: dialAddressesOf(id, addresses) })),
      isConnected: (id) => this.#peers.primary(id) !== undefined,
      isGreeting: (id) => [...this.#connections.values()].some((c) => c.peer === id && !c.standing),
      mayDial: () => this.#settings.connect && this.#count('outbound') < this.#settings.outboundConnectionsMax,
      dial: (id, addresses) => this.#dial(node, id, addresses),
      lookUp: (id) => this.#lookUp(node, id),
    })
  }

  async #dial(node: Libp2pNode, id: NodeId, addresses: string[]): Promise<void> {
    const targets = addresses.map((address) => dialAddressOf(id, address)).filter((address) => address !== undefined)
    const signal = AbortSignal.timeout(this.#settings.connectTimeoutMs)
    // An existing connection would be returned otherwise, and it is not a greeted one.
    const connection = await node.dial(targets, { signal, force: true })
    const peer = this.#connections.get(connection.id)
    if (peer === undefined) throw unreachable('the peer refused the connection')
    await peer.greeted
  }

  async #lookUp(node: Libp2pNode, id: NodeId): Promise<string[]> {
    if (!this.#settings.addressLookup || this.#peers.connected().length === 0) return []
    const { peerIdFromString } = await import('@libp2p/peer-id')
    const signal = AbortSignal.timeout(meshLimits.lookupTimeoutMs)
    try {
      // The peer store would answer with what just failed.
      const found = await node.peerRouting.findPeer(peerIdFromString(id), { signal, useCache: false })
      return dialAddressesOf(id, found.multiaddrs.map(String))
    } catch (error) {
      this.#with.logger.debug({ peer: id, err: error }, 'the DHT knows no address of a peer')
      // It may have lost sight of those who are connected; the next look-up asks them too.
      for (const other of this.#peers.connected().slice(0, meshLimits.reintroducedMax)) this.#identify(other)
      return []
    }
  }

  #count(direction: 'inbound' | 'outbound'): number {
    return this.#node?.getConnections().filter((connection) => connection.direction === direction).length ?? 0
  }
}

function isRequestService(service: PeerService): service is RequestService {
  return (requestServices as readonly string[]).includes(service)
}
