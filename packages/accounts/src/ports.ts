// What accounts need from the outside, and the words in which the rest of the house speaks about them.
import type { NodeId, PeerStream } from '@skein/runtime'
import type { ScramVerifier } from './sasl/scram-verifier.ts'

/** 32 lower-case hex digits: 128 random bits. Never reused, never made from the address. */
export type AccountId = string

export type Role = 'admin' | 'domain-admin' | 'user'

/** What only home and replicas know of an account: kept in the AccountStore, never in the directory. */
export interface Account {
  id: AccountId
  /** Canonical: lower case, domain in A-label form. */
  address: string
  displayName: string
  role: Role
  /** PHC string (argon2id), or null when nobody can log in with a password. */
  passwordHash: string | null
  /** For SCRAM, beside the hash. Absent in accounts that predate it, until the next log-in that tells the password. */
  scram?: ScramVerifier | null
  quotaBytes: number
  state: 'active' | 'suspended'
  /** Other nodes where it has logged in lately, and when that was written. */
  entrances?: Readonly<Record<NodeId, number>>
  createdMs: number
}

export interface AccountStore {
  get(id: AccountId): Promise<Account | undefined>
  /** Durable (fsync) when it resolves. */
  put(account: Account): Promise<void>
  /**
   * Changes an account with nobody else's change in between. Durable when it resolves.
   * @param change is given the account as it is (undefined: there is none); undefined from it: nothing is written
   */
  update(id: AccountId, change: (account: Account | undefined) => Account | undefined): Promise<void>
  delete(id: AccountId): Promise<void>
  list(): AsyncIterable<Account>
}

/** `provisional`: fewer than two registrars have promised the name yet. `renamed`: lost a conflict; lives under its new name. */
export type EntryState = 'confirmed' | 'provisional' | 'renamed' | 'suspended'

/** One line of the user-to-node map. */
export interface DirectoryEntry {
  address: string
  accountId: AccountId
  home: NodeId
  epoch: number
  replicas: NodeId[]
  state: EntryState
  /** Where this user's mail goes on to; `keep`: into his own mailbox too. */
  forward?: Forward
  /** What he submits is filed under Sent by the mesh. */
  savesSent?: true
}

/** Addresses in canonical form, ours or not. */
export interface Forward {
  to: readonly string[]
  keep: boolean
}

/** RFC 8461 §3.2: what mail systems that can't have TLS with one of our exchangers are told to do. */
export type MtaStsMode = 'none' | 'testing' | 'enforce'

export interface DomainRecord {
  name: string
  policy: 'auto' | 'strict' | 'local'
  replicas: number
  /** Who gets the mail for addresses of this domain that nobody has. */
  catchAll?: string
  /** Every address here that nobody has means the same local part in that domain. */
  aliasOf?: string
  /** Absent: `testing`. */
  mtaSts?: MtaStsMode
}

/** One DKIM key as the DNS tells it: the TXT record of `<selector>._domainkey.<domain>`, the same for every domain of the mesh. */
export interface DkimSelector {
  selector: string
  /** `v=DKIM1; k=…; p=…` */
  record: string
}

/** One node of the mesh as everybody sees it. */
export interface NodeRecord {
  id: NodeId
  name: string
  /** Multiaddrs, e.g. `/ip4/127.0.0.135/tcp/19835`. */
  addresses: string[]
  region: string
  /** Lower is tried first. Default 100. */
  priority: number
  enabled: boolean
  description: string
  /** May other nodes hand outbound mail to it. */
  relay: boolean
  /** Empty means all. Single addresses or CIDR (DI-47). */
  allow: string[]
  version: string
  witness: boolean
  /** Host name announced in SMTP and in Received. */
  hostName: string
  /** Ports on which people and other mail systems reach it, by service (`imaps` -> 993). A node of an older version says none. */
  services?: Readonly<Record<string, number>>
  /** DKIM keys with which it signs letters that enter the mesh there. */
  dkim?: readonly DkimSelector[]
  /** Its users who administer the mesh, oldest first. A node of an older version says none. */
  administrators?: readonly string[]
  /** SHA-256 (64 hex digits) of the public key of its certificate in use, then of the key that it will use next (TLSA `3 1 1`). */
  tlsKeys?: readonly string[]
  /** The CAA name of the authority that gives it certificates (RFC 8659 §4.2); '' or absent: none. */
  authority?: string
}

/** The user-to-node map and the mesh's shared settings, as this node knows them now. Look-ups are in memory or level, never the network. */
export interface Directory {
  readonly self: NodeId
  /** `address` in canonical form. */
  lookup(address: string): DirectoryEntry | undefined
  byAccountId(accountId: AccountId): DirectoryEntry | undefined
  /** Targets of an alias, in canonical form; undefined when it is not an alias. */
  alias(address: string): readonly string[] | undefined
  aliases(): { address: string; targets: readonly string[] }[]
  /** `name` in canonical form. */
  domain(name: string): DomainRecord | undefined
  domains(): DomainRecord[]
  node(id: NodeId): NodeRecord | undefined
  /** Every member, sorted by name then id. */
  nodes(): NodeRecord[]
  /** Every entry, sorted by address (code-point order). */
  entries(): AsyncIterable<DirectoryEntry>
  /** Number of entries. */
  count(): number
  onChange(listener: () => void): () => void
}

export interface Login {
  /** As typed: an address, or a bare local part where the mesh has one domain. */
  name: string
  password: string
  remoteAddress: string
  protocol: 'imap' | 'pop3' | 'submission' | 'http'
}

/**
 * refused: unknown user, wrong password, suspended: one answer in one time for all.
 * elsewhere: the password is right, but the mailbox lives on `home`, called `homeName` among people.
 * unavailable: the home can't be asked now.
 * throttled: too many failures from this address or for this account; ask again after `retryAfterMs`.
 */
export type LoginOutcome =
  | { kind: 'ok'; account: Account }
  | {
      kind: 'elsewhere'
      account: Pick<Account, 'id' | 'address' | 'displayName' | 'role'>
      home: NodeId
      homeName: string
      /** Lets this node hand one session of that protocol over to the home, within `sessionTicketKeepMs`. */
      ticket?: Uint8Array
    }
  | { kind: 'refused' }
  | { kind: 'unavailable' }
  | { kind: 'throttled'; retryAfterMs: number }

/** Failed log-ins for one key: a name from a client, or a client. */
export interface LoginFailures {
  count: number
  lastMs: number
  blockedUntilMs: number
}

/** What the mesh's other nodes know of failed log-ins, so that guesses at many nodes are counted as guesses at one. */
export interface SharedLoginFailures {
  /** False for addresses that mean another machine at another node, such as loopback. */
  concerns(remoteAddress: string): boolean
  /** The worst that another node says. */
  of(key: string): LoginFailures | undefined
  /** What this node says from now on; null: nothing. */
  tell(key: string, failures: LoginFailures | null): void
}

export interface Authenticator {
  login(login: Login): Promise<LoginOutcome>
  /** Absent: SCRAM is not offered. */
  readonly scram?: ScramLogins | undefined
  /** Absent: client certificates are not taken. */
  readonly certificates?: CertificateLogins | undefined
  /** Absent: tokens are not taken. */
  readonly tokens?: TokenLogins | undefined
}

type Client = Pick<Login, 'remoteAddress' | 'protocol'>

export interface ScramRequest extends Client {
  /** As typed. */
  name: string
  clientFirstBare: string
  clientNonce: string
}

/** One SCRAM exchange, kept at the account's home, whichever node the client speaks to. Ends with `finish` or `abandon`. */
export interface ScramChallenge {
  kind: 'challenge'
  serverFirst: string
  finish(
    clientFinalWithoutProof: string,
    proof: Uint8Array,
  ): Promise<{ outcome: LoginOutcome; serverSignature: Uint8Array }>
  abandon(): void
}

export interface ScramLogins {
  /** An unknown user gets a challenge too: the same one each time. */
  begin(request: ScramRequest): Promise<ScramChallenge | Extract<LoginOutcome, { kind: 'unavailable' | 'throttled' }>>
}

export interface CertificateLogins {
  /** `address` in canonical form: the front door has verified that the client's certificate is good for it. */
  login(login: Client & { address: string }): Promise<LoginOutcome>
}

export interface TokenLogins {
  /** Told to clients whose token was refused (RFC 7628 §3.2.2). */
  readonly scope?: string | undefined
  readonly configurationUrl?: string | undefined
  /** `name`: whom the client says that the token is for. */
  login(login: Client & { token: string; name: string | undefined }): Promise<LoginOutcome>
}

/** Asks the log-in service that gave out a token. */
export interface TokenVerifier {
  readonly scope?: string | undefined
  readonly configurationUrl?: string | undefined
  verify(token: string): Promise<{ kind: 'ok'; address: string } | { kind: 'invalid' } | { kind: 'unavailable' }>
}

/** Protocols whose sessions are carried to the account's home. */
export type CarriedProtocol = 'imap' | 'pop3'

/** What the home is told of a session that another node hands over. */
export interface CarriedSession {
  protocol: CarriedProtocol
  /** The client's. */
  remoteAddress: string
  /** The client's connection is under TLS. */
  secure: boolean
  /** Version and cipher of that TLS, for the log; or empty. */
  tls: string
  /** What the protocol must know to go on in the middle: the tag that IMAP answers, `utf8` after POP3's UTF8 command. */
  opening: string
}

export interface SessionCarrier {
  /**
   * Opens the way to the home. From then on the client's bytes belong there, the answer to the login included.
   * @throws SkeinError why it can't be: the home's own, or `peer-unreachable`
   */
  carry(outcome: Extract<LoginOutcome, { kind: 'elsewhere' }>, session: CarriedSession): Promise<PeerStream>
}
