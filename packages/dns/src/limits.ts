// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const dnsLimits = {
  /** For one question to one server; the second round of questions waits twice as long. */
  tryTimeoutMs: 3_000,
  /** For one question over all servers and tries. */
  questionTimeoutMs: 12_000,
  /** Announced to servers (RFC 6891 §6.2.3): what crosses the internet in one piece. More comes over TCP. */
  udpBytesMax: 1232,
  /** Datagrams with a wrong id or question, after which a server's answer is not waited for any longer. */
  strayDatagramsMax: 100,
  /** CNAMEs that are followed for one question. */
  cnamesMax: 12,
  recordsMax: 500,
  /** Questions under way at once; each has a socket of its own. */
  questionsAtOnceMax: 400,
  /** Questions that wait for their turn. */
  questionsWaitingMax: 10_000,
  /** An answer is kept for its TTL, within these bounds. */
  keepMinMs: 1_000,
  keepMaxMs: 24 * 3600_000,
  /** RFC 2308 §5: the lack of records, and of a name. */
  keepNegativeMaxMs: 3600_000,
  /** RFC 2308 §7: a failure. */
  keepFailureMs: 15_000,
  keptMax: 50_000,
  /** Of answers as they came over the wire, and their names. */
  keptBytesMax: 16 * 1024 * 1024,
  /** A server that was silent is asked after the others for this long. */
  serverPauseMs: 30_000,
} as const

export type DnsLimits = { readonly [Name in keyof typeof dnsLimits]: number }
