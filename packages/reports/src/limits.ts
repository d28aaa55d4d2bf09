// Every limit of this package, with its default. Listed in docs/operating/limits.md.

export const reportLimits = {
  /** Kinds of sessions, or of letters, told apart for one domain and day; what is more is counted and not listed. */
  rowsPerDomainDayMax: 10_000,
  domainsPerDayMax: 50_000,
  /** How often what was collected goes to the disk. A crash loses no more than this. */
  reportFlushMs: 60_000,
  /** A day that could not be told by then is told to nobody. */
  reportSendWithinMs: 3 * 24 * 3600_000,
  /** Reports of one day leave spread over this time after midnight (UTC). */
  reportSpreadMs: 4 * 3600_000,
  /** What could not be sent is tried again. */
  reportRetryMs: 3600_000,
  reportDestinationsMax: 4,
  reportBytesMax: 10 * 1024 * 1024,
  reportPostTimeoutMs: 60_000,
  /** Of a letter that is looked at for reports, and of what it unpacks to. */
  reportLetterBytesMax: 25 * 1024 * 1024,
  reportUnpackedBytesMax: 50 * 1024 * 1024,
  reportPartsMax: 20,
  reportElementsMax: 500_000,
  reportTextCharactersMax: 1_024,
  /** Rows kept of a report that came in; the totals count all. */
  receivedRowsMax: 2_000,
  receivedKeepMs: 400 * 24 * 3600_000,
  receivedReportsMax: 20_000,
} as const

export type ReportLimits = { [Name in keyof typeof reportLimits]: number }
