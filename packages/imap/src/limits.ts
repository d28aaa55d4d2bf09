// Every limit of the IMAP front door with its default. Nothing a client sends can grow past these.

export interface ImapLimits {
  /** Open connections on this node; one more is told `* BYE` and closed. */
  connectionsMax: number
  connectionsPerAddressMax: number
  /** From connecting to being logged in, TLS handshake included. */
  preAuthTimeoutMs: number
  /** Without a byte from the client, also in IDLE (RFC 9051 §5.4: at least 30 minutes). */
  idleTimeoutMs: number
  /** A client that takes no byte of what it asked for this long is cut off. */
  writeStallTimeoutMs: number
  /** The text lines of one command together, and its in-memory literals together. */
  commandLineBytesMax: number
  /** The same before login, when nobody is known yet. */
  preAuthLineBytesMax: number
  /** One message in APPEND: also what APPENDLIMIT says (RFC 7889). */
  literalBytesMax: number
  /** A refused non-synchronising literal up to this size is read and thrown away; a larger one ends the connection. */
  literalDiscardBytesMax: number
  /** The same before login. */
  preAuthDiscardBytesMax: number
  literalsPerCommandMax: number
  /** Messages that one FETCH, STORE, SEARCH, MOVE, COPY, UID EXPUNGE works on (RFC 9738 MESSAGELIMIT); 0: any number. */
  messagesPerCommandMax: number
  /** Messages of one COPY where there is no limit for all commands (RFC 9738 SAVELIMIT); 0: any number. */
  savedMessagesMax: number
  /** A smaller batch is refused by UIDBATCHES. */
  uidBatchMessagesMin: number
  /** Ranges in one answer of UIDBATCHES. */
  uidBatchesMax: number
  /** A command that takes longer says how far it is, and again after as long (RFC 9585). */
  progressIntervalMs: number
  /** Messages of one MULTIAPPEND. */
  appendMessagesMax: number
  /** Parentheses within parentheses, in SEARCH and elsewhere. */
  nestingDepthMax: number
  /** BAD answers before BYE; once logged in, in a row. */
  badCommandsMax: number
  /** Failed logins on one connection before BYE. */
  loginFailuresMax: number
  /** Answer to the first failed login waits this long; each further one twice as long, up to the maximum. */
  loginFailureDelayMs: number
  loginFailureDelayMaxMs: number
  /** Bytes that may wait in the socket before the server stops working for (and reading from) that client. */
  writeBufferBytesMax: number
  /** ENVELOPE, BODYSTRUCTURE and the like kept as written, for all accounts together. */
  answerCacheBytesMax: number
  /** What SORT and THREAD look at of messages, kept at hand for all accounts together. */
  wordCacheBytesMax: number
  /** Results of one session that are kept up to date (RFC 5267); one more is refused with NOUPDATE. */
  searchContextsMax: number
  /** Owners whose shared mailboxes LIST shows; others are found by name only. */
  sharersListedMax: number
  /** Mailboxes that one NOTIFY names; more are refused with NOTIFICATIONOVERFLOW. */
  notifyNamesMax: number
  /** Events of other mailboxes that wait to be told; then OK [NOTIFICATIONOVERFLOW], and nothing more is told. */
  notifyWaitingMax: number
  /** Bytes of pipelined commands held while one is running; then the socket is not read. */
  readAheadBytesMax: number
}

export const imapLimits: Readonly<ImapLimits> = {
  connectionsMax: 10_000,
  connectionsPerAddressMax: 2_000,
  preAuthTimeoutMs: 60_000,
  idleTimeoutMs: 30 * 60_000,
  writeStallTimeoutMs: 5 * 60_000,
  commandLineBytesMax: 64 * 1024,
  preAuthLineBytesMax: 16 * 1024,
  literalBytesMax: 64 * 1024 * 1024,
  literalDiscardBytesMax: 256 * 1024 * 1024,
  preAuthDiscardBytesMax: 1024 * 1024,
  literalsPerCommandMax: 10_000,
  messagesPerCommandMax: 1_000_000,
  savedMessagesMax: 1_000_000,
  uidBatchMessagesMin: 500,
  uidBatchesMax: 10_000,
  progressIntervalMs: 10_000,
  appendMessagesMax: 10_000,
  nestingDepthMax: 50,
  badCommandsMax: 20,
  loginFailuresMax: 10,
  loginFailureDelayMs: 500,
  loginFailureDelayMaxMs: 15_000,
  writeBufferBytesMax: 256 * 1024,
  answerCacheBytesMax: 96 * 1024 * 1024,
  wordCacheBytesMax: 64 * 1024 * 1024,
  searchContextsMax: 32,
  sharersListedMax: 1_000,
  notifyNamesMax: 1_000,
  notifyWaitingMax: 2_000,
  readAheadBytesMax: 128 * 1024,
}
