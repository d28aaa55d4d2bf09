// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const accountLimits = {
  passwordBytesMax: 1024,
  passwordCharactersMin: 8,
  /** Wrong passwords that cost nothing but time; after these each further one doubles the wait. */
  loginFailuresFree: 5,
  /** The same for one remote address with any name: many colleagues may sit behind one. */
  loginFailuresPerAddressFree: 30,
  loginDelayFirstMs: 1_000,
  loginDelayMaxMs: 15 * 60_000,
  /** A failure is forgotten after this long without another. */
  loginFailureKeepMs: 30 * 60_000,
  loginFailureKeysMax: 100_000,
  /** How long a right password is remembered (as a keyed hash, in memory) so that it need not be hashed again. */
  loginRememberMs: 10 * 60_000,
  loginRememberedMax: 50_000,
  /** Log-ins that wait because as many of their name or address are under way as may still fail. */
  loginsWaitingPerKeyMax: 1_000,
  /** RFC 7677 §4 asks for 4,096 at least. 2.2 ms of a client's time at each log-in; no cost here but when a password is set. */
  scramIterations: 15_000,
  /** SCRAM exchanges begun by one other node for accounts that live here, and how long each is kept. */
  scramRelayedPerPeerMax: 2_000,
  scramExchangeTimeoutMs: 60_000,
  /** Accounts whose SCRAM verifier is still to be written after a log-in; others get theirs at a later one. */
  scramUpgradesWaitingMax: 1_000,
  passwordHashesAtOnceMax: 4,
  passwordHashesWaitingMax: 1_000,
  remoteLoginTimeoutMs: 10_000,
  /** How long a login waits for the line to the home, where that broke a moment ago or this node has just started. */
  lineWaitMs: 3_000,
  /** How soon it asks again over a line that stands and yet did not carry the question. */
  lineRetryMs: 100,
  lineLostRecentlyMs: 10_000,
  /** From the login at another node to the session's beginning at its home. */
  sessionTicketKeepMs: 30_000,
  /** Above it the oldest is worth nothing any more. */
  sessionTicketsMax: 20_000,
  /** How long a node waits for the home to take a session. */
  sessionOpenTimeoutMs: 10_000,
  /** How long the home vouches for somebody at a node where they logged in, how often that is written, and for how many nodes. */
  entranceKeepMs: 7 * 24 * 3600_000,
  entranceNoteMs: 12 * 3600_000,
  entrancesPerAccountMax: 16,
  quotaBytesDefault: 10 * 1024 ** 3,
} as const
