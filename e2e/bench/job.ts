// What the bench asks of its load generator processes, and what they answer: one JSON document each way.

export interface Endpoint {
  host: string
  port: number
}

/** Letters in as fast as the server takes them, then until all can be counted over IMAP. */
export interface DeliverJob {
  kind: 'deliver'
  protocol: 'smtp' | 'lmtp'
  endpoint: Endpoint
  imap: Endpoint
  /** Session i writes to user i modulo their number. */
  users: { address: string; password: string }[]
  sessions: number
  /** A connection for each letter instead of one for all. */
  oneLetterASession: boolean
  /** STARTTLS and AUTH, each session as the user to whom it writes. */
  submission?: boolean
  messageBytes: number
  seconds: number
  /** Stops after this many letters even if there is time left; 0: no such end. */
  lettersMax: number
}

export interface DeliverResult {
  letters: number
  refused: number
  /** Until the last 250. */
  acknowledgedSeconds: number
  /** Until every letter was counted in its mailbox. */
  visibleSeconds: number
  lettersPerSecond: number
  /** MAIL to 250 of each letter. */
  latencyMs: { p50: number; p99: number }
}

/** Letters submitted, each to the next of the destinations, which the load generator serves; until all have arrived. */
export interface OutboundJob {
  kind: 'outbound'
  endpoint: Endpoint
  users: { address: string; password: string }[]
  destinations: { domain: string; address: string; port: number }[]
  sessions: number
  messageBytes: number
  seconds: number
}

export interface OutboundResult {
  letters: number
  refused: number
  /** Until the last 250 to a submission. */
  submittedSeconds: number
  /** Until the last letter arrived. */
  seconds: number
  lettersPerSecond: number
  /** That the sink was asked for. */
  connections: number
}

/** A mailbox read whole, again and again. */
export interface FetchJob {
  kind: 'fetch'
  imap: Endpoint
  user: { address: string; password: string }
  seconds: number
}

export interface FetchResult {
  messages: number
  bytes: number
  seconds: number
  megabytesPerSecond: number
  messagesPerSecond: number
  /** UID FETCH of one message after the other. */
  singlePerSecond: number
}

/** Letters one by one through `submission` of one node, noticed by IDLE at the other. */
export interface NoticeJob {
  kind: 'notice'
  submission: Endpoint
  imap: Endpoint
  sender: { address: string; password: string }
  recipient: { address: string; password: string }
  messageBytes: number
  letters: number
}

export interface NoticeResult {
  letters: number
  p50Ms: number
  p99Ms: number
}

/** RCPT TO for known users, pipelined: the directory seen through the front door. */
export interface LookupJob {
  kind: 'lookup'
  endpoint: Endpoint
  addresses: string[]
  sessions: number
  seconds: number
}

export interface LookupResult {
  lookups: number
  lookupsPerSecond: number
}

/** One measure of mailbox work, by name. */
export interface MailboxJob {
  kind: 'mailbox'
  measure: 'login' | 'large' | 'cold' | 'append' | 'copy' | 'fetch' | 'search' | 'pop3' | 'notice' | 'announce'
  imap: Endpoint
  pop3: Endpoint
  deliver: { protocol: 'smtp' | 'lmtp'; endpoint: Endpoint }
  users: { address: string; password: string }[]
  seconds: number
  /** In the mailbox of a measure that takes a size. */
  messages: number
}

export type MailboxResult = Record<string, number>

export type Job = DeliverJob | FetchJob | NoticeJob | LookupJob | MailboxJob | OutboundJob
export type ResultOf<J extends Job> = J extends DeliverJob
  ? DeliverResult
  : J extends FetchJob
    ? FetchResult
    : J extends NoticeJob
      ? NoticeResult
      : J extends MailboxJob
        ? MailboxResult
        : J extends OutboundJob
          ? OutboundResult
          : LookupResult

/** Value at the given share of a list in any order. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}
