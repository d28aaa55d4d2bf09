// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const smtpLimits = {
  /** Of the whole message after dot-unstuffing; announced as SIZE (RFC 1870). */
  messageBytesMax: 50 * 1024 * 1024,
  recipientsMax: 1000,
  /** RFC 4954 §4 asks for 12,288 octets, the longest of all command lines. Lines of a message have no limit. */
  commandLineBytesMax: 12_288,
  /** Replies 500-504 and 555 in one session; the next one closes it. A letter taken in sets the count back. */
  badCommandsMax: 20,
  /** Commands before a successful AUTH on the submission ports. */
  unauthenticatedCommandsMax: 50,
  authFailuresMax: 5,
  /** What a client may still send of a message that is refused already, before the connection is closed. */
  drainBytesMax: 256 * 1024 * 1024,
  /** From the end of one command to the end of the next, so that a client can't hold a connection by dripping bytes. */
  commandTimeoutMs: 5 * 60_000,
  /** Between two pieces of a message (RFC 5321 §4.5.3.2.5). */
  dataTimeoutMs: 3 * 60_000,
  /** For one whole message. */
  dataTotalTimeoutMs: 2 * 3600_000,
  tlsHandshakeTimeoutMs: 30_000,
  /** Strangers on the MX port who speak during this pause are sent away: bots do. */
  greetingPauseMs: 100,
  /** Over all listeners of one server. */
  connectionsMax: 10_000,
  /** An IPv6 client counts by its /64. Trusted addresses are not counted. */
  connectionsPerAddressMax: 100,
  /** Commands run in one turn of the event loop before other sessions get theirs. */
  commandsPerTurnMax: 100,
  heloBytesMax: 255,
  /** `<`, address and `>` (RFC 5321 §4.5.3.1.3). */
  pathBytesMax: 256,
  /** ENVID and ORCPT (RFC 3461 §4.4, §4.2). */
  envelopeIdCharactersMax: 100,
  originalRecipientBytesMax: 500,
  /** SOLICIT (RFC 3865 §2.3). */
  solicitCharactersMax: 1000,
  /** How far ahead HOLDFOR and HOLDUNTIL may reach (RFC 4865). */
  futureReleaseMaxMs: 90 * 24 * 3600_000,
  /** The PROXY header of a connection from a listed address must be here by then, and may be so long. */
  proxyHeaderTimeoutMs: 5_000,
  proxyHeaderBytesMax: 4096,
} as const

export const outsideLimits = {
  connectTimeoutMs: 30_000,
  /** RFC 5321 §4.5.3.2. */
  greetingTimeoutMs: 5 * 60_000,
  tlsHandshakeTimeoutMs: 60_000,
  commandTimeoutMs: 5 * 60_000,
  dataInitTimeoutMs: 2 * 60_000,
  dataBlockTimeoutMs: 3 * 60_000,
  dataEndTimeoutMs: 10 * 60_000,
  quitTimeoutMs: 2_000,
  replyLineBytesMax: 4096,
  replyLinesMax: 100,
  /** Of what the other side said, kept in results. */
  replyTextCharactersMax: 500,
  /** An idle connection is kept this long for the next letter to the same host. */
  reuseIdleMs: 5_000,
  lettersPerConnectionMax: 100,
  connectionsKeptMax: 100,
  /** Addresses tried for one letter in one attempt. */
  addressesTriedMax: 10,
  mxRecordsMax: 50,
  /** Where a host has more addresses, the next one is tried beside after this time without a connection. */
  connectStaggerMs: 1_500,
  /** A family of addresses (IPv4, IPv6) that got no connection where the other did goes last for this long. */
  familyPauseMs: 10 * 60_000,
  /** A whole MTA-STS policy file (RFC 8461 §3.3), from the look-up of its host on. */
  stsFetchTimeoutMs: 30_000,
  stsPolicyBytesMax: 64 * 1024,
  stsAddressesTriedMax: 4,
  /** RFC 8461 §3.3: a policy that could not be fetched is not asked for again this soon. */
  stsFailurePauseMs: 5 * 60_000,
  stsFailuresKeptMax: 10_000,
  /** A policy is fetched anew after this time, or half its life. */
  stsRefreshMs: 24 * 3600_000,
  /** Between two removals of policies that expired. */
  stsSweepMs: 24 * 3600_000,
} as const

export type SmtpLimits = { readonly [Name in keyof typeof smtpLimits]: number }
export type OutsideLimits = { readonly [Name in keyof typeof outsideLimits]: number }
