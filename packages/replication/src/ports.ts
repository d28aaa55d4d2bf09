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

/** One author's chain of batches of one document: a node's own `node` and `users/00`…`users/3f`, or its part in the shared `mesh`. */
export interface StreamName {
  author: NodeId
  document: string
}

/** A null where bytes stand removes the record. Hashes are hex. */
export type LedgerOp =
  | { op: 'membership'; hash: string; bytes: Uint8Array }
  | { op: 'batch'; stream: StreamName; seq: number; hash: string; bytes: Uint8Array }
  /** Removes the stream's batches with `above < seq <= upTo`. */
  | { op: 'drop-batches'; stream: StreamName; above: number; upTo: number }
  | { op: 'head'; stream: StreamName; bytes: Uint8Array | null }
  | { op: 'snapshot'; stream: StreamName; bytes: Uint8Array | null }
  | { op: 'place-page'; shard: number; page: number; bytes: Uint8Array | null }
  | { op: 'account-page'; shard: number; bucket: number; bytes: Uint8Array | null }
  | { op: 'conflict'; address: string; present: boolean }
  | { op: 'promise'; address: string; bytes: Uint8Array | null }
  | { op: 'intent'; name: string; bytes: Uint8Array | null }
  | { op: 'vote'; subject: string; bytes: Uint8Array | null }
  | { op: 'meta'; name: string; bytes: Uint8Array | null }

export interface StoredBatch {
  seq: number
  hash: string
  bytes: Uint8Array
}

/** What the ledger keeps on disk. It knows records by name and bytes; their meaning is the ledger's. */
export interface LedgerStore {
  /** Atomic, and durable (fsync) when it resolves; in the order of the calls. @throws SkeinError (temporary) when it could not be written: nothing of it is there */
  commit(ops: readonly LedgerOp[]): Promise<void>
  membership(): AsyncIterable<Uint8Array>
  heads(): AsyncIterable<{ stream: StreamName; bytes: Uint8Array }>
  /** Batches with a higher sequence number than `above`, by number, then hash. */
  batches(stream: StreamName, above: number): AsyncIterable<StoredBatch>
  batch(stream: StreamName, seq: number, hash: string): Promise<Uint8Array | undefined>
  snapshot(stream: StreamName): Promise<Uint8Array | undefined>
  /** One of 256 pages of the map in one of 64 shards. Synchronous: a look-up is on the way of every recipient. */
  placePage(shard: number, page: number): Uint8Array | undefined
  /** All 256 pages of a shard, in order. */
  placePages(shard: number): Promise<(Uint8Array | undefined)[]>
  accountPage(shard: number, bucket: number): Uint8Array | undefined
  /** All 256 pages, in order. */
  accountPages(shard: number): Promise<(Uint8Array | undefined)[]>
  conflicts(): AsyncIterable<string>
  promises(): AsyncIterable<{ address: string; bytes: Uint8Array }>
  intents(): AsyncIterable<{ name: string; bytes: Uint8Array }>
  vote(subject: string): Promise<Uint8Array | undefined>
  meta(name: string): Promise<Uint8Array | undefined>
}
