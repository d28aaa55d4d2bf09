// What this package keeps in memory, and for how long. The limits of names, keywords and ids are in ports.ts.

export interface MailboxesSettings {
  /** An account that nobody has open is forgotten after so long. */
  idleAccountMs?: number
  /** Accounts kept at once; those in use are never forgotten. */
  accountsInMemoryMax?: number
  /** Estimated bytes of message records kept for accounts that nobody has open. */
  idleRecordBytesMax?: number
}

export const mailboxMemoryLimits = {
  idleAccountMs: 60_000,
  accountsInMemoryMax: 10_000,
  idleRecordBytesMax: 128 * 1024 * 1024,
  /** About what a message record takes in memory. */
  recordBytesEstimate: 260,
  /** Referenced Message-IDs looked at for a message's thread, newest first. */
  threadReferencesMax: 20,
  /** Threads of the latest messages of an account, kept at hand. */
  recentThreadsMax: 256,
  /** Copied messages whose parsed index is kept although one of the copies goes. */
  recentCopiesMax: 10_000,
  /** Parsed indexes that one commit removes; those of more messages are swept later. */
  infosForgottenAtOnceMax: 10_000,
  /** Larger messages are read back for parsing one at a time. */
  largeMessageBytes: 4 * 1024 * 1024,
  emailIdBytesMax: 100,
  uidMax: 2 ** 32 - 1,
} as const
