// What the ledger needs from the outside: a durable store, a signer, and a gate that the mesh asks before it speaks to anyone.
import type { NodeId } from '@skein/runtime'

export interface Signer {
  readonly nodeId: NodeId
  /** Ed25519 (RFC 8032) over exactly these bytes. 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

/**
 * What the mesh asks before and while it talks to another node; filled by `createLedger` of this package.
 * The mesh never decides who is a member, and the ledger never sees a socket.
 */
export interface MeshGate {
  readonly meshId: string
  /** Now a member, not evicted. */
  isMember(id: NodeId): boolean
  isEvicted(id: NodeId): boolean
  /** An invite is open (published, not expired, not used up): strangers may knock at `/skein/1/join`. */
  inviteOpen(): boolean
  /** This node's allow-list (DI-47): is that IP address let in at all. */
  allowsAddress(ip: string): boolean
  /** Members' ids with all addresses known for each, self left out: whom to keep a connection with. */
  peerAddresses(): { id: NodeId; addresses: string[] }[]
  /** The HELLO that this node sends: CBOR of protocol versions, mesh id, heads, boot id, time. */
  helloFor(peer: NodeId): Uint8Array
  /** @throws SkeinError when the other is not to be spoken with (`wrong-mesh`, `not-a-member`, `version-too-old`). */
  acceptHello(peer: NodeId, hello: Uint8Array): Promise<void>
  /** A stranger's join request (proof of the invite's seed); the answer goes back to it. @throws SkeinError `invite-unknown`, `invite-expired`, `invite-used`, `bad-proof` */
  acceptJoin(stranger: NodeId, remoteIp: string, request: Uint8Array): Promise<Uint8Array>
  /** Called when members, evictions, addresses or allow-lists change: re-check every connection, close those that no longer may. */
  onGateChange(listener: () => void): () => void
}
