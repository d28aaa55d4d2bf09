// What the rest of the house tells us for the reports that domain owners asked for, and what is kept of it.

/** RFC 8460 §4.3. */
export type TlsFailureType =
  | 'starttls-not-supported'
  | 'certificate-host-mismatch'
  | 'certificate-expired'
  | 'certificate-not-trusted'
  | 'validation-failure'
  | 'tlsa-invalid'
  | 'dnssec-invalid'
  | 'dane-required'
  | 'sts-policy-fetch-error'
  | 'sts-policy-invalid'
  | 'sts-webpki-invalid'

/** The policy that was in force for a domain when this node connected to one of its hosts (RFC 8460 §4.2). */
export interface TlsPolicyFacts {
  type: 'tlsa' | 'sts' | 'no-policy-found'
  /** The policy's own lines, or its TLSA records as text. */
  strings: readonly string[]
  /** sts: its `mx` patterns. */
  mxPatterns: readonly string[]
}

/** One attempt to speak TLS with a mail host of another domain. */
export interface TlsSessionResult {
  atMs: number
  policyDomain: string
  policy: TlsPolicyFacts
  /** Host name of the MX, and the addresses on both sides; '' where it did not get so far. */
  receivingMx: string
  receivingIp: string
  sendingIp: string
  result: 'success' | TlsFailureType
  /** More than the type says, or ''. */
  failureReason: string
}

/** Filled by this package, fed by the outside courier. Never throws, never waits. */
export interface TlsJournal {
  note(result: TlsSessionResult): void
}

export type DmarcDisposition = 'none' | 'quarantine' | 'reject'

/** What came of one letter whose author's domain has a DMARC record: the row of an aggregate report. */
export interface DmarcEvaluation {
  atMs: number
  sourceIp: string
  /** The author's domain (RFC 5322 From). */
  headerFrom: string
  envelopeFrom: string
  envelopeTo: string
  /** Where the record was found, and the record as published. */
  policyDomain: string
  record: string
  disposition: DmarcDisposition
  /** Aligned results. */
  dkimAligned: boolean
  spfAligned: boolean
  dkim: readonly { domain: string; selector: string; result: string; humanResult: string }[]
  spf: { domain: string; scope: 'mfrom' | 'helo'; result: string } | null
  /** Why the disposition is not what the policy says: `local_policy`, `trusted_forwarder`, …, or ''. */
  overrideReason: string
  overrideComment: string
}

/** Filled by this package, fed by whoever evaluates DMARC. Never throws, never waits. */
export interface DmarcJournal {
  note(evaluation: DmarcEvaluation): void
}

/** A UTC day, `2026-11-30`. */
export type Day = string

export interface TlsFailure {
  type: TlsFailureType
  receivingMx: string
  receivingIp: string
  sendingIp: string
  reason: string
  sessions: number
}

export interface TlsPolicyCount {
  policy: TlsPolicyFacts
  successes: number
  failures: TlsFailure[]
}

/** What one node saw in one day of TLS with the hosts of one domain. */
export interface TlsDay {
  kind: 'tls'
  day: Day
  domain: string
  policies: TlsPolicyCount[]
}

export type DmarcRow = Omit<DmarcEvaluation, 'atMs' | 'policyDomain' | 'record'> & { count: number }

/** What one node saw in one day of letters under one domain's DMARC record. */
export interface DmarcDay {
  kind: 'dmarc'
  day: Day
  domain: string
  /** As it was last published. */
  record: string
  rows: DmarcRow[]
}

export type CollectedDay = TlsDay | DmarcDay

export type DayKey = Pick<CollectedDay, 'kind' | 'day' | 'domain'>

export interface DmarcReport {
  kind: 'dmarc'
  /** The report's own: who wrote it, about which domain, for which time. */
  organisation: string
  reportId: string
  domain: string
  beginMs: number
  endMs: number
  /** As published: `p`, `sp`, `np`, `adkim`, `aspf`, `testing`, …; what the report says. */
  policy: Record<string, string>
  /** Letters in all, and those of them for which neither aligned. */
  letters: number
  failing: number
  rows: {
    sourceIp: string
    count: number
    disposition: string
    dkimAligned: boolean
    spfAligned: boolean
    headerFrom: string
    envelopeFrom: string
    reasons: string[]
    dkim: { domain: string; selector: string; result: string }[]
    spf: { domain: string; result: string }[]
  }[]
}

export interface TlsReport {
  kind: 'tls'
  organisation: string
  reportId: string
  domain: string
  beginMs: number
  endMs: number
  /** Sessions in all, and those that failed. */
  sessions: number
  failing: number
  rows: {
    policyType: string
    successes: number
    failures: number
    details: { type: string; receivingMx: string; sendingIp: string; sessions: number; reason: string }[]
  }[]
}

/** RFC 5965: somebody says of one letter that it is abuse, or that its authentication failed. */
export interface FeedbackReport {
  kind: 'abuse'
  organisation: string
  reportId: string
  domain: string
  beginMs: number
  endMs: number
  feedbackType: string
  sourceIp: string
  originalFrom: string
  originalTo: string[]
  /** Of the letter that it is about, without brackets: what `skein trace` looks for. '' where it is not enclosed. */
  originalMessageId: string
  subject: string
}

export type Report = DmarcReport | TlsReport | FeedbackReport

export type ReceivedReport = Report & {
  /** The queue id of the letter that brought it, and a number where it brought several. */
  id: string
  receivedMs: number
  /** Domains that the letter's authentication vouches for; empty: anybody may have written it. */
  vouchedBy: string[]
}

/** Filled by storage. Puts may be lost with the last moments before a crash, except `putReceived`. */
export interface ReportStore {
  /** Replaces what was kept of that kind, day and domain. */
  putDays(days: readonly CollectedDay[]): Promise<void>
  getDay(key: DayKey): Promise<CollectedDay | undefined>
  days(): AsyncIterable<CollectedDay>
  removeDays(keys: readonly DayKey[]): Promise<void>
  /** Durable when it resolves. */
  putReceived(report: ReceivedReport): Promise<void>
  getReceived(id: string): Promise<ReceivedReport | undefined>
  /** Newest first. */
  received(): AsyncIterable<ReceivedReport>
  removeReceived(ids: readonly string[]): Promise<void>
}

/** Ways out for reports. */
export interface ReportSender {
  /** Durable in the queue when it resolves. `bytes`: a whole message. */
  mail(letter: { to: string; bytes: Uint8Array; messageId: string }): Promise<void>
  /** RFC 8460 §5.4. Resolves when the other side has it. @throws Error; after a time of its own at the latest */
  post(url: string, body: Uint8Array, contentType: string, signal: AbortSignal): Promise<void>
}
