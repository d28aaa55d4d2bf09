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
