// Every number that bounds the mesh, and every switch an operator may turn, with its default. Units last.
import { assert, peerLimits, peerStreamLimits } from '@skein/runtime'
import type { PeerService, PeerStreamService } from '@skein/runtime'

/** Fixed by the wire protocol: both sides of a connection rely on the same values (docs/protocols/mesh/transport.md). */
export const wireLimits = {
  /** Requests of one side on one stream that are not answered yet. */
  requestsInFlightMax: 256,
  /** Their payloads together. */
  requestBytesInFlightMax: 16 * 1024 * 1024,
  payloadBytesMax: peerLimits.peerPayloadBytesMax,
  /** A stranger's request. Its answer may use payloadBytesMax. */
  joinRequestBytesMax: 64 * 1024,
  /** The longest time a request may ask to be worked on. */
  requestTimeoutMaxMs: 600_000,
  /** Streams of bytes that one side has opened to the other. */
  streamsMax: 10_000,
  streamHeaderBytesMax: peerStreamLimits.headerBytesMax,
  /** One data frame. */
  streamChunkBytesMax: 32 * 1024,
  /** What may be sent on a new stream before its reader has taken any. */
  streamWindowBytes: 256 * 1024,
  /** The same, once the reader has shown that it keeps up. */
  streamWindowBytesMax: 2 * 1024 * 1024,
} as const

/** This node's own business: a peer with other values still gets along. */
export const meshLimits = {
  /** Requests of one stream that wait here for credit; the next one is refused as `peer-unreachable`. */
  requestsWaitingMax: 4096,
  /** Answers of one stream that the peer has not taken yet, those being worked on included; above it none is begun. */
  answerBytesQueuedMax: 4 * 1024 * 1024,
  /** What an answer is taken to be before the first is known: so many run at once at first. */
  answerBytesExpectedAtFirst: 64 * 1024,
  /** What is handed to a stream at once. */
  writeBatchBytes: 256 * 1024,
  /** A reader that takes half a window within this time is given a window twice as large. */
  streamWindowGrowsWithinMs: 500,
  /** By which all windows of one connection and direction may have grown together. */
  streamWindowsExtraBytesMax: 64 * 1024 * 1024,
  /** A frame that was begun must be complete within this time. */
  frameTimeoutMs: 60_000,
  /** A connection must be greeted (HELLO answered) within this time. */
  greetTimeoutMs: 10_000,
  /** A stranger must have knocked and be gone within this time. */
  joinTimeoutMs: 10_000,
  joinsAtOnceMax: 4,
  strangerConnectionsMax: 16,
  /** Connections of one address that have not proved who they are. */
  handshakesPerAddressMax: 32,
  handshakesMax: 256,
  handshakeTimeoutMs: 8_000,
  /** New connections a second from one address; a whole office may sit behind one. */
  connectionsPerAddressPerSecondMax: 64,
  serviceStreamsMax: 4,
  /** One is right; a second stands for a moment when both sides dial or one starts anew. */
  connectionsPerPeerMax: 4,
  streamsPerConnectionMax: 256,
  streamWindowBytesMax: 16 * 1024 * 1024,
  streamBufferBytesMax: 4 * 1024 * 1024,
  /** Liveness of a connection; a peer silent for `suspectAfterMs` is down. */
  heartbeatMs: 2_000,
  /** Each long-lived stream carries something at least this often, below libp2p's inactivity limit of 120 s. */
  streamHeartbeatMs: 15_000,
  reconnectMinMs: 250,
  reconnectMaxMs: 15_000,
  /** The side with the higher PeerId lets the other dial first. */
  politenessMs: 300,
  /** A connection that lived this long makes the next reconnection start from `reconnectMinMs` again. */
  stableAfterMs: 5_000,
  addressDialTimeoutMs: 10_000,
  lookupTimeoutMs: 10_000,
  /** Two connections to one peer: the older one must answer a ping within this time to be kept. */
  duplicateCheckMs: 1_000,
  retireTimeoutMs: 30_000,
  /** A retired connection stays this long for the streams of bytes that stand on it; then they are cut. */
  retiredStreamsTimeoutMs: 3_600_000,
  /** From a greeting to the time when a second connection has been told from the first. */
  settledAfterMs: 1_500,
  /** Connected peers that a failed look-up makes known to the DHT anew. */
  reintroducedMax: 16,
  backlogMax: 1024,
  connectionsMax: 1024,
} as const

/** DI-46: what a peer must also know, besides being a member. */
export interface SecondFactor {
  user: string
  password: string
}

export interface MeshSettings {
  /** Multiaddrs to listen on (`/ip4/127.0.0.135/tcp/19835`); port 0 lets the system choose. */
  listenAddresses: string[]
  /** DI-40: multiaddrs told to others instead of those listened on (a public address behind NAT). Empty: those. */
  announceAddresses: string[]
  /** DI-42. */
  connectTimeoutMs: number
  /** DI-43. */
  backlog: number
  /** DI-44. */
  inboundConnectionsMax: number
  /** DI-45. */
  outboundConnectionsMax: number
  /** Open the listening sockets at all. */
  listen: boolean
  /** DI-48: let others connect, and answer their requests. */
  serve: boolean
  /** DI-49: dial others. */
  connect: boolean
  /** DI-46; null: membership alone decides. */
  secondFactor: SecondFactor | null
  /** A peer that answers nothing for this time is reported down. */
  suspectAfterMs: number
  /** Ask the DHT for a member's address when none of its known ones answers. */
  addressLookup: boolean
}

export const defaultMeshSettings: MeshSettings = {
  listenAddresses: ['/ip4/0.0.0.0/tcp/9835'],
  announceAddresses: [],
  connectTimeoutMs: 30_000,
  backlog: 32,
  inboundConnectionsMax: meshLimits.connectionsMax,
  outboundConnectionsMax: meshLimits.connectionsMax,
  listen: true,
  serve: true,
  connect: true,
  secondFactor: null,
  suspectAfterMs: 8_000,
  addressLookup: true,
}

/** What may change while the mesh runs; the rest takes effect at the next `start()`. */
export type LiveMeshSettings = Pick<MeshSettings, 'serve' | 'connect' | 'secondFactor' | 'outboundConnectionsMax'>

export function completeSettings(given: Partial<MeshSettings>): MeshSettings {
  const settings = { ...defaultMeshSettings, ...given }
  assert(settings.backlog >= 1 && settings.backlog <= meshLimits.backlogMax, 'backlog is 1..1024')
  for (const count of [settings.inboundConnectionsMax, settings.outboundConnectionsMax]) {
    assert(Number.isInteger(count) && count >= 1 && count <= meshLimits.connectionsMax, 'connections are 1..1024')
  }
  assert(settings.connectTimeoutMs > 0 && settings.suspectAfterMs > 0, 'time-outs are positive')
  return settings
}

export const protocolPrefix = '/skein/1/'
export const helloProtocol = `${protocolPrefix}hello`
export const joinProtocol = `${protocolPrefix}join`
export const kadProtocol = '/skein/kad/1.0.0'

/** The services that others' requests may name; `hello` belongs to the mesh itself. */
export const requestServices = [
  'log',
  'mail',
  'relay',
  'own',
  'admin',
  'accounts',
  'acme',
  'judge',
] as const satisfies readonly PeerService[]
export type RequestService = (typeof requestServices)[number]

/** Services whose streams carry bytes instead of requests. */
export const streamServices = ['proxy'] as const satisfies readonly PeerStreamService[]
