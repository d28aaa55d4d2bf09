// What checking and signing letters may take of time, memory and other people's name servers.

export const messageAuthLimits = {
  /** Threads that check and sign: one less than the machine has processors, at the least one, and no more than these. */
  workersMax: 4,
  /** Letters in the hands of one thread; while one waits for the DNS the others go on. */
  lettersPerWorkerMax: 32,
  /** Letters that wait for a thread; more are told to come again (451). */
  waitingLettersMax: 1_000,
  /** Letters up to this size go to a thread whole, larger ones in pieces of this size. */
  pieceBytes: 256 * 1024,
  /** One letter, with all its DNS questions. */
  letterTimeoutMs: 30_000,
  /** SPF: DNS terms (RFC 7208 §4.6.4). */
  spfLookupsMax: 10,
  /** SPF: terms that find nothing (RFC 7208 §4.6.4). */
  spfVoidLookupsMax: 2,
  /** SPF: one identity (RFC 7208 §4.6.4 wants at least 20 s). */
  spfTimeoutMs: 20_000,
  /** DKIM signatures of one letter that are checked, from the top; the others are `neutral`. */
  signaturesMax: 10,
  /** RFC 8301 §3.2. */
  rsaKeyBitsMin: 1024,
  /** Public keys that a thread remembers how to use; the DNS is asked for them all the same. */
  keysReadMax: 1_000,
  /** An answer of the DNS serves the next letters of the same thread for so long, whatever its own time. */
  answersKeptMs: 2_000,
  answersKeptMax: 2_000,
  /** SPF results, as long as answers: of one sender's domain at one address. */
  spfKeptMax: 2_000,
  /** DNS questions for one letter, of SPF, DKIM and ARC together. */
  questionsMax: 200,
  /** A letter with a larger header, or more lines of it, is not checked: `dkim=policy`. */
  headerBytesMax: 256 * 1024,
  headerLinesMax: 10_000,
  /** A thread that says nothing for so long, with letters in its hands, is ended and started anew. */
  silentWorkerMs: 15_000,
  /** A thread without letters ends after this. */
  idleWorkerMs: 120_000,
  /** Memory of one thread's heap. */
  heapMegabytesMax: 256,
} as const
