// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const httpLimits = {
  /** Over all listeners of one server; one more is closed at once. */
  connectionsMax: 10_000,
  /** An IPv6 client counts by its /64. Trusted addresses are not counted. */
  connectionsPerAddressMax: 200,
  /** Request line and header fields; more is answered 431. */
  headerBytesMax: 16 * 1024,
  headerFieldsMax: 100,
  /** Body of a discovery request; more is answered 413. */
  discoveryBodyBytesMax: 64 * 1024,
  /** From the first byte of a request to the end of its header; a slower one is answered 408. */
  headerTimeoutMs: 15_000,
  /** From the first byte of a request to the end of its body; a slower one is answered 408. */
  requestTimeoutMs: 60_000,
  /** A connection kept open with no request on it. */
  keepAliveTimeoutMs: 30_000,
  /** A connection on which nothing moves while an answer is under way. */
  writeTimeoutMs: 120_000,
  tlsHandshakeTimeoutMs: 15_000,
  /** Requests on one connection; then it is closed. */
  requestsPerConnectionMax: 1_000,
  /** Nodes named to a client that asks how to set itself up, the nearest first. */
  nodesListedMax: 4,
} as const

export const dnsLimits = {
  /** Names asked of the DNS at the same time by `skein dns --check`. */
  questionsAtOnce: 64,
  /** Characters of one SPF record, so that an answer fits into 512 bytes (RFC 7208 §3.4). */
  senderPolicyBytesMax: 400,
  /** Parts into which SPF is divided; each costs receivers one of the ten look-ups that they make. */
  senderPolicyPartsMax: 10,
  /** Look-ups that a receiver makes for one SPF record (RFC 7208 §4.6.4). */
  senderPolicyLookupsMax: 10,
  /** `skein dns --check` waits this long for a policy over HTTPS, and for a greeting on port 25. */
  probeTimeoutMs: 5_000,
} as const

export type HttpLimits = { readonly [Name in keyof typeof httpLimits]: number }
