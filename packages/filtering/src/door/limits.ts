// Every limit of the door, with its default. Listed in docs/operating/limits.md.
// Rates are counted over all nodes of the mesh and fade: a count falls to a third within its window (exactly: by the factor e).

export const doorLimits = {
  /** How long MAIL or RCPT may wait for the DNS; what has not answered by then is passed over. */
  lookupWaitMs: 3_000,
  /** Host names of one address that are looked at, and DNS lists asked for one session. */
  reverseNamesMax: 5,
  listsMax: 16,
  /** Look-ups that fail one after the other before a list, or the reverse DNS, is passed over for a while. */
  silentAfterFailures: 5,
  silentForMs: 60_000,
  /** A list is tried with addresses that it must and must not have (RFC 5782 §5) so often. */
  listCheckEveryMs: 3600_000,
  /** A list that does not answer, or answers nonsense, is in the log once in so long. */
  listWarnEveryMs: 3600_000,
  /** Sessions of one address at once; of one with a bad name. */
  sessionsPerAddressMax: 50,
  sessionsPerBadNameMax: 3,
  connectionsPerAddressPer10MinMax: 300,
  lettersPerAddressPerHourMax: 1_000,
  recipientsPerAddressPerHourMax: 5_000,
  /** A network with a good name may do so many times as much. */
  goodNameTimes: 10,
  lettersPerRecipientPerHourMax: 500,
  /** Unknown recipients of one address in an hour that cost nothing; each further one is answered later. */
  unknownRecipientsFree: 5,
  /** With so many its address is banned. */
  unknownRecipientsPerHourMax: 25,
  /** So many times as much from its whole site (IPv4 /24, IPv6 /48) ends the sessions of whoever guesses there. */
  unknownRecipientsSiteTimes: 4,
  tarpitFirstMs: 1_000,
  tarpitMaxMs: 20_000,
  /** Sessions that wait in the tarpit; others are sent away instead. */
  tarpitSessionsMax: 200,
  /** In one session: after so many recipients, a larger share of refused ones ends it. */
  recipientsJudgedMin: 10,
  refusedRecipientsShareMax: 0.8,
  banFirstMs: 15 * 60_000,
  /** Each further ban of the same address is twice as long, up to this. */
  banMaxMs: 24 * 3600_000,
  /** An unknown sender's letter is taken when it is tried again after this, and no later than within the second. */
  greylistPauseMs: 5 * 60_000,
  greylistRetryWithinMs: 2 * 24 * 3600_000,
  /** How long a sender and recipient that have passed need not wait again, from the last letter. */
  greylistKeepMs: 36 * 24 * 3600_000,
  /** Networks that have come back so often are not greylisted any more. */
  greylistRetriesMax: 2,
  /** How fast good and bad deeds fade. */
  nameFadesMs: 14 * 24 * 3600_000,
  /** A good name: so many letters, and less than a tenth of that in bad deeds. A bad one: so many bad deeds, more than good ones. */
  goodNameFrom: 20,
  badNameFrom: 20,
  /** The most that one node's word weighs in a name. */
  nameWordMax: 100,
  /** Counts kept by one node; the oldest go first. */
  countsMax: 100_000,
  /** Refusals of one address for one reason are in the log once in so long. */
  logEveryMs: 60_000,
} as const

export type DoorLimits = { readonly [Name in keyof typeof doorLimits]: number }
