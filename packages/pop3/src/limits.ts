// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const pop3Limits = {
  /** RFC 5034 §4 lets a response of AUTH be this long; other commands are far shorter. */
  commandLineBytesMax: 12_288,
  /** Unknown, malformed or misplaced commands in one session; the next one closes it. */
  badCommandsMax: 20,
  authFailuresMax: 3,
  /** RFC 1939 §3: at least ten minutes. From the end of one command to the end of the next. */
  idleTimeoutMs: 10 * 60_000,
  /** A client that does not read what it asked for. */
  writeTimeoutMs: 5 * 60_000,
  tlsHandshakeTimeoutMs: 30_000,
  /** Over all listeners of one server. */
  connectionsMax: 10_000,
  /** An IPv6 client counts by its /64. Trusted addresses are not counted. */
  connectionsPerAddressMax: 100,
  /** What a client may send ahead of the replies; then it has to wait. */
  pipelinedBytesMax: 64 * 1024,
  /** Messages up to this size are read whole; bigger ones are streamed. */
  wholeMessageBytesMax: 256 * 1024,
  /** What TOP reads first: the header, and mostly all that is wanted. */
  topFirstReadBytes: 16 * 1024,
  /** Messages read ahead for a client that fetches one after the other, each no larger than this, */
  readAheadMessagesMax: 8,
  readAheadMessageBytesMax: 64 * 1024,
  /** and for all sessions together. */
  readAheadTotalBytesMax: 32 * 1024 * 1024,
} as const

export type Pop3Limits = { readonly [Name in keyof typeof pop3Limits]: number }
