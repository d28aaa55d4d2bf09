// Every limit of the ledger with its default, in one place.

export const ledgerLimits = {
  /** How long `addUser` waits for registrars before the name works as provisional. */
  claimWaitMs: 1_500,
  /** Pause between two tries to have a provisional name confirmed. */
  claimRetryMs: 10_000,
  /** After this long a registrar asks the claimant whether it still needs a promise. */
  promiseRecheckMs: 60_000,
  /** Claims in one request to a registrar. */
  claimsPerRequest: 2_000,
  /** Up to this many claims of one shard each get a signature of their own; above it one signature covers the list. */
  claimsSignedSinglyMax: 16,
  /** Registrars of a name. */
  registrars: 3,
  /** After start: how long writing waits for a peer to say what it knows of this node's own documents. */
  adoptWaitMs: 1_500,
  /** Pause between rounds of comparison with peers, give or take a quarter. */
  syncIntervalMs: 5_000,
  /** Peers compared with in one round. */
  syncPeersPerRound: 3,
  /** One signed batch. */
  batchBytesMax: 512 * 1024,
  /** One answer to a peer, snapshots aside. */
  replyBytesMax: 512 * 1024,
  /** A snapshot up to this size comes along with its header. */
  snapshotInlineBytesMax: 64 * 1024,
  /** One document's snapshot. */
  snapshotBytesMax: 64 * 1024 * 1024,
  /** Batches after which a document is condensed. */
  checkpointBatches: 500,
  /** Log bytes after which a document is condensed; half the last snapshot when that is more. */
  checkpointLogBytes: 256 * 1024,
  /** What waits for one peer; above it the peer is told to compare instead. */
  outboxBytesMax: 4 * 1024 * 1024,
  /** Entries of documents held in memory at once. */
  documentEntriesCached: 80_000,
  /** Look-ups remembered in memory, twice this many at the most. */
  lookupsCached: 100_000,
  /** One membership entry. */
  membershipEntryBytesMax: 64 * 1024,
  /** Entries of the membership log. */
  membershipEntriesMax: 50_000,
  /** Streams asked for in one request. */
  streamsPerRequest: 512,
  addressBytesMax: 254,
  nodeNameCharactersMax: 63,
  descriptionCharactersMax: 1_000,
  addressesPerNodeMax: 32,
  allowListMax: 1_000,
  aliasTargetsMax: 1_000,
  doorRulesMax: 10_000,
  doorReasonCharactersMax: 200,
  /** Addresses that one user's mail goes on to. */
  forwardTargetsMax: 20,
  inviteTtlMsMax: 30 * 24 * 3_600_000,
  inviteUsesMax: 1_000,
  /** How far ahead of this node's clock another's may be before its time is no longer followed. */
  clockAheadMsMax: 10 * 60_000,
  requestTimeoutMs: 15_000,
} as const

export type LedgerSettings = { readonly [Name in keyof typeof ledgerLimits]: number }
