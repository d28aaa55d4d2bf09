// The face of the ledger towards the daemon: mesh life, membership, users, shared settings, status.
// Every change made here is signed and durable before its promise resolves; peers learn of it at once.
import type {
  AccountId,
  Directory,
  DirectoryEntry,
  DkimSelector,
  DomainRecord,
  EntryState,
  Forward,
  MtaStsMode,
} from '@skein/accounts'
import type { NodeId, PeerLink } from '@skein/runtime'
import type { MeshGate } from './ports.ts'

/** What a node says of itself when it founds or joins a mesh. */
export interface NodeProfile {
  name: string
  /** Multiaddrs under which other nodes reach it. */
  addresses: string[]
  region: string
  hostName: string
  version: string
  /** Holds no mail: votes only. Default false. */
  witness?: boolean
  /** Relative weight for placing accounts. Default 1. */
  capacity?: number
  /** Ports on which people and other mail systems reach it, by service. Said in the node's own document only. */
  services?: Record<string, number>
  /** DKIM keys with which it signs letters that enter the mesh there. Said in the node's own document only. */
  dkim?: DkimSelector[]
  /** Its users who administer the mesh, oldest first. Said in the node's own document only. */
  administrators?: string[]
  /** SHA-256 of its TLS keys, in use and next. Said in the node's own document only. */
  tlsKeys?: string[]
  /** CAA name of its certificate authority. Said in the node's own document only. */
  authority?: string
}

export interface Invite {
  meshId: string
  /** One to three members who let the newcomer in. */
  peers: { id: NodeId; addresses: string[] }[]
  seed: Uint8Array
  expiresMs: number
}

/** `admin` may invite, evict (with another) and edit the mesh's settings; `member` only speaks for itself. */
export type MemberRole = 'admin' | 'member'

export interface InviteTerms {
  ttlMs: number
  /** How many nodes may join by it. */
  uses: number
  /** Default `admin`. */
  role?: MemberRole
}

export interface Member {
  id: NodeId
  role: MemberRole
  /** Hex hash of the entry that admitted it. */
  admission: string
}

/** An eviction that still lacks the word of another admin. */
export interface EvictProposal {
  /** Hex; what `approveEvict` takes. */
  id: string
  target: NodeId
  targetName: string
  reason: string
  signedBy: NodeId[]
  signaturesNeeded: number
}

export interface EvictOutcome {
  /** False: another admin must approve `id`. */
  effective: boolean
  id: string
}

/** Fields of a node that any admin may edit from anywhere; a left-out field keeps its value. */
export interface NodeSettings {
  name?: string
  priority?: number
  enabled?: boolean
  description?: string
  region?: string
  relay?: boolean
  /** Single addresses or CIDR (DI-47); empty means all. */
  allow?: string[]
}

/** What a node says of itself, in its own document. */
export type SelfFields = Partial<NodeProfile>

export interface DomainSettings {
  policy?: DomainRecord['policy']
  replicas?: number
  mtaSts?: MtaStsMode
  /** '' : nobody. */
  catchAll?: string
  /** '' : stands for itself. */
  aliasOf?: string
}

/** How a user's mail is handled; a left-out field keeps its value. */
export interface MailSettings {
  /** Canonical addresses; null: no more. */
  forward?: Forward | null
  savesSent?: boolean
}

/** Random bytes that all members of the mesh know, and nobody else. */
export interface MeshSecret {
  id: string
  key: Uint8Array
  madeMs: number
}

/** Whom the doors of all nodes always let in, or never. */
export interface DoorRule {
  /** An IP address, a network (CIDR), a domain or a sender's address, in canonical form. */
  subject: string
  list: 'block' | 'allow'
  /** For people; what a refused sender is told. */
  reason: string
  /** Null: until it is removed. */
  untilMs: number | null
}

export interface AddedUser {
  address: string
  accountId: AccountId
  state: EntryState
}

export type BulkOutcome = { added: AddedUser[]; refused: { address: string; code: string }[] }

/** Two claims met on one name. `winner` keeps it; `loser` lives on under `renamedTo`. */
export interface NameConflict {
  address: string
  winner: { accountId: AccountId; home: NodeId }
  loser: { accountId: AccountId; home: NodeId; renamedTo: string }
}

/** Two batches of one node with one sequence number: a cloned machine or a restored backup. */
export interface Equivocation {
  author: NodeId
  document: string
  seq: number
}

export interface LedgerStats {
  members: number
  documents: number
  /** Streams (author, document) and the highest sequence number of each that this node itself writes. */
  heads: { author: NodeId; document: string; seq: number }[]
  entries: number
  provisional: number
  openConflicts: number
  equivocations: number
  batchesApplied: number
  batchesRefused: number
  /** Last time a full comparison with that peer found nothing missing here. */
  lastSyncMs: Record<NodeId, number>
}

export interface Ledger {
  readonly directory: Directory
  readonly gate: MeshGate
  readonly self: NodeId
  /** Undefined until `foundMesh` or `adoptJoin`. */
  readonly meshId: string | undefined

  /** Answers `log` and `own` on this link; starts push and anti-entropy. Once. */
  attach(link: PeerLink): void
  /** Waits for what is being written, then stops. */
  close(): Promise<void>

  /** @throws SkeinError `already-in-mesh`, `bad-name`, `bad-domain` */
  foundMesh(founding: NodeProfile & { domains: string[] }): Promise<{ meshId: string; recoveryKey: string }>
  /** @returns the token, `skein1:…`. @throws SkeinError `not-permitted` */
  createInvite(terms: InviteTerms): Promise<string>
  /** What a newcomer sends to `/skein/1/join`. */
  joinRequest(invite: Invite, profile: NodeProfile): Uint8Array
  /** Verifies the answer and stores the membership. @throws SkeinError `bad-join-reply`, `already-in-mesh` */
  adoptJoin(invite: Invite, profile: NodeProfile, reply: Uint8Array): Promise<void>

  members(): Member[]
  role(): MemberRole | undefined
  /** @param recoveryKey as printed by `foundMesh`: suffices alone. @throws SkeinError `no-such-node`, `not-permitted` */
  proposeEvict(nameOrId: string, reason: string, options?: { recoveryKey?: string }): Promise<EvictOutcome>
  /** @throws SkeinError `no-such-proposal`, `not-permitted` */
  approveEvict(proposalId: string): Promise<EvictOutcome>
  pendingEvictions(): EvictProposal[]
  /** This node leaves for good; its own word suffices. */
  leave(reason: string): Promise<void>
  /** Promotes by any admin; only the recovery key or the node itself gives the right up. */
  setRole(nameOrId: string, role: MemberRole, options?: { recoveryKey?: string }): Promise<void>

  /** A user of this node. Waits up to `claimWaitMs` for the registrars. @throws SkeinError `address-taken`, `no-such-domain`, `bad-address` */
  addUser(address: string): Promise<AddedUser>
  /** Many users of this node: one transaction for each shard. Refusals are listed, not thrown. */
  addUsers(addresses: Iterable<string>): Promise<BulkOutcome>
  /** @throws SkeinError `no-such-user`, `not-home` */
  removeUser(address: string): Promise<void>
  /** @throws SkeinError `no-such-user`, `not-home` */
  setUserState(address: string, state: 'active' | 'suspended'): Promise<void>
  /** @throws SkeinError `no-such-user`, `not-home`, `bad-address` */
  setUserMail(address: string, settings: MailSettings): Promise<void>
  /** Every entry homed at `node`, in no particular order. */
  entriesOf(node: NodeId): AsyncIterable<DirectoryEntry>

  /** @throws SkeinError `domain-exists`, `bad-domain`, `not-permitted` */
  addDomain(name: string, settings?: DomainSettings): Promise<void>
  /** @throws SkeinError `no-such-domain`, `not-permitted` */
  setDomain(name: string, settings: DomainSettings): Promise<void>
  /** @throws SkeinError `no-such-domain`, `domain-in-use`, `not-permitted` */
  removeDomain(name: string): Promise<void>
  /** @throws SkeinError `address-taken`, `no-such-domain`, `bad-address`, `not-permitted` */
  addAlias(address: string, targets: string[]): Promise<void>
  /** @throws SkeinError `no-such-alias`, `not-permitted` */
  removeAlias(address: string): Promise<void>
  doorRules(): DoorRule[]
  /** Replaces what was said of that subject. @throws SkeinError `bad-door-rule`, `too-many-door-rules`, `not-permitted` */
  setDoorRule(rule: DoorRule): Promise<void>
  /** @throws SkeinError `no-such-door-rule`, `not-permitted` */
  removeDoorRule(subject: string): Promise<void>
  /** @throws SkeinError `no-such-node`, `bad-allow-list`, `name-taken`, `not-permitted` */
  setNode(nameOrId: string, settings: NodeSettings): Promise<void>
  /** Newest first; of two of one moment every node names the same one first. */
  secrets(purpose: string): MeshSecret[]
  /** @throws SkeinError `not-permitted` */
  addSecret(purpose: string, key: Uint8Array): Promise<void>
  /** @throws SkeinError `not-permitted` */
  removeSecret(purpose: string, id: string): Promise<void>
  setSelf(fields: SelfFields): Promise<void>

  onConflict(listener: (conflict: NameConflict) => void): () => void
  onEquivocation(listener: (event: Equivocation) => void): () => void
  stats(): LedgerStats
  /** Compares with that peer now; resolves when nothing that it had at the time is missing here. @throws SkeinError `peer-unreachable` */
  whenSynced(peer: NodeId): Promise<void>
}
