// How one node speaks to another: the port that the mesh (libp2p) and the simulator's network fill.
// Everything that crosses the mesh is a request with one answer on a named service, at most once each;
// what must arrive is made idempotent and repeated by its sender.

/** A libp2p PeerId as text (`12D3Koo…`): the node's Ed25519 public key. */
export type NodeId = string

/** One long-lived stream for each service and peer; the suffix of `/skein/1/<service>`. */
export type PeerService = 'hello' | 'log' | 'mail' | 'relay' | 'own' | 'admin' | 'accounts' | 'acme' | 'judge'

export interface PeerLink {
  readonly self: NodeId
  /** Members with whom a greeted connection stands now. */
  connected(): NodeId[]
  /**
   * Sends one request and waits for its answer. Many may be in flight to the same peer; they may be answered out of order.
   * @param payload at most `peerPayloadBytesMax` (1 MiB); longer things are sent in chunks of 256 KiB by their protocol.
   * @throws SkeinError `peer-unreachable` (temporary) when the peer is not connected, the connection breaks or
   *   `timeoutMs` (default 30 s) passes: the request may or may not have been carried out;
   *   or the SkeinError that the peer's handler threw, with its code and kind.
   */
  request(to: NodeId, service: PeerService, payload: Uint8Array, options?: { timeoutMs?: number }): Promise<Uint8Array>
  /** Answers requests of `service`. One handler a service. Only greeted members' requests reach it. */
  handle(service: PeerService, handler: (from: NodeId, payload: Uint8Array) => Promise<Uint8Array>): void
  /** Called when a member becomes reachable (`up`) or is lost (`down`). Returns the way to stop. */
  onPeerChange(listener: (peer: NodeId, state: 'up' | 'down') => void): () => void
}

export const peerLimits = {
  peerPayloadBytesMax: 1024 * 1024,
  peerChunkBytes: 256 * 1024,
  peerRequestTimeoutMs: 30_000,
} as const
