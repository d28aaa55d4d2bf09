// The libp2p node of a mesh: TCP, Noise, yamux, and kad-dht for one thing only, finding the address of a member.
// identify, ping and kad-dht go by a private prefix, run only when we ask for them, and answer members only.
import type { PeerInfo, StreamHandler, StreamHandlerOptions, Transport } from '@libp2p/interface'
import type { IdentifyComponents } from '@libp2p/identify'
import type { KadDHTComponents } from '@libp2p/kad-dht'
import type { PingComponents } from '@libp2p/ping'
import type { Multiaddr } from '@multiformats/multiaddr'
import { noise } from '@chainsafe/libp2p-noise'
import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Logger, NodeId } from '@skein/runtime'
import type { Door } from './door.ts'
import { guardMuxer } from './muxer-guard.ts'
import { libp2pLog } from './libp2p-log.ts'
import { libp2pKeyOf } from './libp2p-key.ts'
import { localAddressFor } from './peer-address.ts'
import { kadProtocol, meshLimits } from './settings.ts'
import type { MeshSettings } from './settings.ts'

export interface NodeComponents {
  privateKey: Uint8Array
  door: Door
  logger: Logger
  isMember(id: NodeId): boolean
}

export type Libp2pNode = Awaited<ReturnType<typeof createLibp2pNode>>

/** Not started. `boundAddresses` are those that it listens on, whatever it announces. */
export async function createLibp2pNode(components: NodeComponents, settings: MeshSettings) {
  const { privateKey, door, logger } = components
  const listening = settings.listen ? settings.listenAddresses.map((address) => multiaddr(address)) : []
  let boundAddresses = (): Multiaddr[] => []
  const node = await createLibp2p({
    start: false,
    privateKey: libp2pKeyOf(privateKey),
    logger: libp2pLog(logger),
    nodeInfo: { name: 'skein', version: '1', userAgent: 'skein' },
    addresses: { listen: listening.map(String), announce: settings.announceAddresses },
    transports: [
      (parts) => {
        boundAddresses = () => parts.transportManager.getAddrs()
        return fromBoundAddress(tcp(socketsOf(settings))(parts), listening)
      },
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [() => guardMuxer(yamux(muxerSettings)(), meshLimits.streamWindowBytesMax)],
    connectionGater: door.gater,
    // Every connection that may last is watched by our own heartbeat, which needs no new stream for each ping and knows
    // a standstill of this process from one of the peer; all others are closed within seconds.
    connectionMonitor: { enabled: false },
    connectionManager: connectionsOf(settings),
    services: servicesOf(components),
  })
  return Object.assign(node, { boundAddresses: () => boundAddresses() })
}

/** Handshakes under way use sockets too. */
function socketsOf({ backlog, inboundConnectionsMax }: MeshSettings) {
  return { backlog, maxConnections: inboundConnectionsMax + meshLimits.handshakesMax }
}

function connectionsOf({ inboundConnectionsMax, outboundConnectionsMax, connectTimeoutMs }: MeshSettings) {
  return {
    maxConnections: inboundConnectionsMax + outboundConnectionsMax,
    maxIncomingPendingConnections: meshLimits.handshakesMax,
    inboundConnectionThreshold: meshLimits.connectionsPerAddressPerSecondMax,
    inboundUpgradeTimeout: meshLimits.handshakeTimeoutMs,
    dialTimeout: connectTimeoutMs,
    addressDialTimeout: Math.min(connectTimeoutMs, meshLimits.addressDialTimeoutMs),
    // libp2p tries five times and then never again, and only for tagged peers: the supervisor reconnects instead.
    reconnectRetries: 0,
  }
}

function servicesOf({ door, isMember }: NodeComponents) {
  return {
    identify: (parts: IdentifyComponents) =>
      identify({ protocolPrefix: 'skein', runOnConnectionOpen: false })(withMembersOnly(parts, door)),
    ping: (parts: PingComponents) => ping({ protocolPrefix: 'skein' })(withMembersOnly(parts, door)),
    dht: (parts: KadDHTComponents) =>
      kadDHT({
        protocol: kadProtocol,
        clientMode: false,
        allowQueryWithZeroPeers: true,
        // Private addresses stay (nodes on a LAN or VPN are nodes too); who is no member does not.
        peerInfoMapper: (info: PeerInfo) => (isMember(info.id.toString()) ? info : { ...info, multiaddrs: [] }),
      })(withoutStorage(withMembersOnly(parts, door))),
  }
}

const muxerSettings = {
  maxInboundStreams: meshLimits.streamsPerConnectionMax,
  maxOutboundStreams: meshLimits.streamsPerConnectionMax,
  streamOptions: {
    maxStreamWindowSize: meshLimits.streamWindowBytesMax,
    maxReadBufferLength: meshLimits.streamBufferBytesMax,
    // None by default: a stream that is not taken would fill the memory.
    maxWriteBufferLength: meshLimits.streamBufferBytesMax,
  },
}

/** TCP options reach `net.connect` as they are, which knows `localAddress` though the transport's types do not. */
function fromBoundAddress(transport: Transport, listening: readonly Multiaddr[]): Transport {
  const dial = transport.dial.bind(transport)
  transport.dial = (target, options) => {
    const localAddress = localAddressFor(listening, target)
    return dial(target, localAddress === undefined ? options : Object.assign({}, options, { localAddress }))
  }
  return transport
}

interface HandlesProtocols {
  handle(protocol: string, handler: StreamHandler, options?: StreamHandlerOptions): Promise<void>
}

/**
 * What a libp2p service needs, with each handler that it registers behind the door. (Stream middleware would be the place,
 * but libp2p 3.3 appends the handler to the registered list at each incoming stream, so the second stream runs it twice.)
 */
function withMembersOnly<Components extends { registrar: HandlesProtocols }>(
  components: Components,
  door: Door,
): Components {
  const { registrar } = components
  const guarded = replacing(
    registrar,
    'handle',
    (protocol: string, handler: StreamHandler, options?: StreamHandlerOptions) =>
      registrar.handle(protocol, door.membersOnly(handler), options),
  )
  return replacing(components, 'registrar', guarded)
}

/** Records and provider entries that others would leave with us: this DHT keeps none. */
function withoutStorage(components: KadDHTComponents): KadDHTComponents {
  return replacing(
    components,
    'datastore',
    replacing(components.datastore, 'put', async (key: unknown) => key),
  )
}

/** `target` with one property replaced. libp2p's components are a proxy of their own and cannot be copied. */
function replacing<Target extends object>(target: Target, property: keyof Target, value: unknown): Target {
  return new Proxy(target, {
    get(of, key) {
      if (key === property) return value
      const found: unknown = Reflect.get(of, key)
      return typeof found === 'function' ? found.bind(of) : found
    },
  })
}
