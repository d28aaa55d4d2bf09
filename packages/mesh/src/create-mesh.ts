// The mesh of one node as the daemon sees it. libp2p takes a few hundred milliseconds to load: `createMesh` begins with it,
// so call it early and open the disk meanwhile; a command that needs only a key or a signature never pays for it.
import type { MeshGate } from '@skein/replication'
import type { Clock, Logger, NodeId, PeerLink, PeerStreams, Random } from '@skein/runtime'
import { completeSettings } from './settings.ts'
import type { LiveMeshSettings, MeshSettings } from './settings.ts'

export interface MeshComponents {
  gate: MeshGate
  /** As `generateNodeKey` makes it. */
  privateKey: Uint8Array
  clock: Clock
  random: Random
  logger: Logger
}

export interface MeshPeer {
  id: NodeId
  /** The multiaddr of the connection in use. */
  address: string
  /** When that connection was opened, in milliseconds since the epoch. */
  sinceMs: number
  /** A moving average; undefined until the first heartbeat came back. */
  rttMs: number | undefined
  lastSeenMs: number
}

export interface MeshStatus {
  inboundConnections: number
  outboundConnections: number
  /** libp2p streams, in either direction. */
  streams: number
  /** Streams of bytes that they carry, in either direction. */
  byteStreams: number
}

export interface Mesh extends PeerLink, PeerStreams, AsyncDisposable {
  /** Listens and dials. May be called again after `stop()`. */
  start(): Promise<void>
  /** Closes everything; pending requests fail with `peer-unreachable`, peers are reported down. */
  stop(): Promise<void>
  /** The multiaddrs that it listens on (not those announced), each ending in `/p2p/<own id>`. */
  listenAddresses(): string[]
  peers(): MeshPeer[]
  /** What stands now, strangers included. */
  status(): MeshStatus
  /** Closes the connections with that peer; the supervisor dials it again as long as it is a member. */
  disconnect(id: NodeId): void
  /** Turns switches while the mesh runs. */
  configure(change: Partial<LiveMeshSettings>): void
}

export async function createMesh(components: MeshComponents, settings: Partial<MeshSettings> = {}): Promise<Mesh> {
  const complete = completeSettings(settings)
  const { Libp2pMesh } = await import('./mesh.ts')
  return new Libp2pMesh(components, complete)
}
