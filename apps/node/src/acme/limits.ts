// Every limit of certificates by ACME, with its default. Listed in docs/operating/limits.md.

export const acmeLimits = {
  /** One request to the authority. */
  requestTimeoutMs: 30_000,
  answerBytesMax: 256 * 1024,
  /** Times that one request is sent again because its nonce was refused (RFC 8555 §6.5). */
  nonceRetriesMax: 8,
  /** An order that is not done by then is given up, and tried again later. */
  orderTimeoutMs: 300_000,
  /** Between two looks at what the authority is still busy with, unless it names a time itself. */
  pollMs: 1_000,
  pollMaxMs: 30_000,
  /** Names in one certificate; authorities take no more. */
  namesMax: 100,
  /** How often it is looked at whether the names have changed. */
  checkMs: 3_600_000,
  /** Between two looks at whether anything is due, whatever the plan says. */
  lookPauseMs: 5_000,
  /** After a failure, doubled with each one that follows, up to the next: authorities count failures by the hour. */
  retryMs: 300_000,
  retryMaxMs: 43_200_000,
  /** A name that the authority could not verify is left out for this long. */
  refusedKeepMs: 86_400_000,
  /** Between two orders that an operator asks for. */
  renewPauseMs: 5_000,
  /** The next key must have been told to the world for this long where TLSA is published (RFC 7671 §8.1). */
  nextKeyLeadMs: 172_800_000,
  /** Challenges of one peer that are answered for it at the same time. */
  challengesPerPeerMax: 200,
  /** A challenge that nobody took back is forgotten. */
  challengeKeepMs: 900_000,
  /** A peer that has not taken a challenge by then is left out. */
  challengePeerTimeoutMs: 5_000,
  /** How long an order waits for nodes that are not connected; then it goes on without them. */
  challengePeersWaitMs: 10_000,
  /** One exchange with the name server that takes dynamic updates. */
  updateTimeoutMs: 10_000,
  /** TTL of the record that proves a name. */
  challengeTtlSeconds: 60,
} as const
