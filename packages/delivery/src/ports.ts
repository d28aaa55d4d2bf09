// How mail moves: what the queue keeps, what a courier does, and the face that the front doors use.
import type { AccountId } from '@skein/accounts'
import type { BlobRef } from '@skein/mailboxes'
import { SkeinError, type NodeId } from '@skein/runtime'
import type { EnvelopeOptions, RecipientOptions } from './envelope-options.ts'

export {
  type EnvelopeOptions,
  type NotifyWish,
  type RecipientOptions,
  readEnvelopeOptions,
  readRecipientOptions,
  wantsNotice,
} from './envelope-options.ts'

/** ULID given where the letter enters the mesh; stays the same on every node that carries it. */
export type QueueId = string

/**
 * pending: waits for its next attempt. held: an operator's word. handed-over: another node has it, or may have it, and says
 * what came of it. delivered, failed, cancelled: final.
 */
export type RecipientState = 'pending' | 'held' | 'handed-over' | 'delivered' | 'failed' | 'cancelled'

/** A node whose address the recipient's domain has refused, or not answered. */
export interface RefusedWay {
  /** This node, or a peer that tried. */
  node: NodeId
  result: DeliveryResult
}

/** One recipient's part in a hand-over (docs/protocols/mesh/hand-over.md). */
export interface HandOver {
  /** Used once: names this hand-over of some recipients of one letter to one node. */
  ticket: string
  node: NodeId
  sinceMs: number
  /** offered: that node does not send before it has the grant. granted: it may have sent already. */
  phase: 'offered' | 'granted'
  /** That node's name for what it took: the grant is for this and nothing else. */
  stage?: string
  /** An operator's word that came after the grant; carried out as the letter comes back, unless it was sent. */
  wish?: 'cancel' | 'cancel-silently' | 'hold'
}

/** On the other side: the letter is another node's, and this node only sends it. */
export interface Errand {
  origin: NodeId
  ticket: string
  stage: string
  /** The letter's id at its origin. */
  letter: QueueId
}

export interface QueueRecipient {
  /** Position in the letter's envelope; with the QueueId it makes the delivery id `<queueId>.<index>`. */
  index: number
  /** Canonical address to deliver to, after aliases, with its +tag; outside our domains the local part is as given. */
  address: string
  /** As given at RCPT. */
  original: string
  /** The sender's own copy of what he submitted: filed under Sent, where it is not there yet. */
  into?: 'sent'
  /** Outside, and not named by the sender: the address of ours whose mail goes on there. */
  forwardedFor?: string
  /**
   * Whom the address meant when the letter came in. He gets it, under whatever name and wherever he lives by then: an
   * attempt whose outcome is unknown and the next one must not reach two accounts. Absent: the address alone counts.
   */
  accountId?: AccountId
  state: RecipientState
  attempts: number
  nextAttemptMs: number
  /** The last answer: SMTP-style code, enhanced status, text; which courier and which next hop said it. */
  lastResult: DeliveryResult | null
  delayNoticeSent: boolean
  /** Ways on which the recipient was refused for the sending address's sake. Absent: none. */
  refusedWays?: RefusedWay[]
  /** While the state is `handed-over`. */
  handOver?: HandOver
  /**
   * Failed or cancelled, and the sender has not been told yet. The number names the notice: the lowest index of those
   * that failed in the same step and are told of together. Absent: nothing is owed.
   */
  noticeOwed?: number
  /** What the sender asked for this recipient. */
  options?: RecipientOptions
  /** A notice of success that the sender asked for and has not got. Named as `noticeOwed`; `action` of RFC 3464 §2.3.3. */
  successOwed?: { notice: number; action: 'delivered' | 'relayed' }
  /** The sender was told that the moment of `deliverBy` has passed. */
  deliverByTold?: boolean
}

export interface QueueItem {
  id: QueueId
  /** Envelope sender; '' for bounces. */
  from: string
  recipients: QueueRecipient[]
  blob: BlobRef
  /**
   * The blob begins with a Return-Path line of so many bytes (absent: none), for mailboxes of this node only: what goes to
   * another node or server begins after it.
   */
  returnPathBytes?: number
  /** Header fields for the top of the letter, not in the blob: those of one consignment outside. */
  outsideFields?: string
  /** Bytes of the blob. */
  size: number
  /** The Message-ID header (without brackets), or '' : what `skein trace` looks for. */
  messageId: string
  receivedMs: number
  /** Who handed it in. */
  source: {
    kind: 'smtp' | 'submission' | 'peer' | 'local'
    remoteAddress: string
    node: NodeId
    accountId: AccountId | null
  }
  smtpUtf8: boolean
  eightBit: boolean
  /** Present: another node's letter, sent from here; that node tells the sender. */
  errand?: Errand
  /** Judged to be unwanted where it came in: it is filed under Junk where it ends. */
  junk?: boolean
  /** What the sender asked for with the letter; goes wherever the letter goes. */
  options?: EnvelopeOptions
  /** Addresses that stood for several, of which the sender asked to hear (RFC 3461 §5.2.7.3), and has not heard. */
  expansionsOwed?: readonly { original: string; orcpt?: string }[]
}

export interface DeliveryResult {
  atMs: number
  kind: 'delivered' | 'temporary' | 'permanent'
  /** RFC 5321 reply code and RFC 3463 status. */
  code: number
  status: string
  text: string
  courier: 'local' | 'peer' | 'outside'
  /** Node id or host name. */
  hop: string
  /** Delivered: that host knows DSN (RFC 3461) and has taken over what was asked: the sender hears from there. */
  dsnPassedOn?: boolean
  /** The same for `deliverBy` (RFC 2852). */
  deliverByPassedOn?: boolean
}

export interface QueueStore {
  /** Durable (fsync, shared) when it resolves. */
  put(item: QueueItem): Promise<void>
  /** A letter that is finished. Need not be durable where doing it again is harmless; `durably`: like a put. */
  remove(id: QueueId, durably?: boolean): Promise<void>
  get(id: QueueId): Promise<QueueItem | undefined>
  /** Ascending id. */
  list(): AsyncIterable<QueueItem>
}

/** One step in a letter's life; `skein trace` shows them, merged over all nodes. */
export interface TraceEvent {
  atMs: number
  node: NodeId
  queueId: QueueId
  messageId: string
  /** accepted | routed | delivered | handed-over | deferred | failed | bounced | reported | refused | duplicate | held | cancelled | retried | other-way | relayed */
  what: string
  /** For one recipient, or '' for the letter. */
  recipient: string
  /** One sentence: why this way, what the other side said. */
  detail: string
}

export interface TraceStore {
  /** Best effort: written along with the next durable batch. */
  add(events: readonly TraceEvent[]): void
  /** `key` is a Message-ID (with or without brackets) or a queue id. Ascending time. */
  find(key: string): Promise<TraceEvent[]>
}

/** An address outside from which letters came back for good. */
export interface DeadAddress {
  /** Canonical. */
  address: string
  /** The latest ones, of different letters, oldest first. */
  failures: { letter: QueueId; atMs: number; said: string }[]
  /** Until then our users' letters to it are refused; 0: they are not yet. */
  refusedUntilMs: number
}

export interface DeadAddressStore {
  /** Durable when it resolves, as is `remove`; in the order of the calls. */
  put(record: DeadAddress): Promise<void>
  remove(address: string): Promise<void>
  /** In no order. */
  list(): AsyncIterable<DeadAddress>
}

/** The bytes and envelope that a courier carries for recipients with one destination. */
export interface Consignment {
  item: QueueItem
  recipients: QueueRecipient[]
}

/**
 * One way to move a message. Never throws for what the other side said: one result for each recipient, in their order.
 * Where every result is temporary and network-like (status 4.4.x or code 421), the destination itself is taken to be
 * down: letters for it wait together, and one at a time tries again.
 */
export interface Courier {
  readonly kind: 'local' | 'peer' | 'outside'
  deliver(consignment: Consignment, destination: Destination, signal: AbortSignal): Promise<DeliveryResult[]>
}

/** Where a recipient's next step lies. */
export type Destination =
  | { kind: 'local'; accountId: AccountId }
  | { kind: 'peer'; node: NodeId; accountId: AccountId }
  | { kind: 'outside'; domain: string }

/* ------------------------------------------------------------------ the face to the front doors */

export interface IntakeSource {
  kind: 'smtp' | 'submission'
  remoteAddress: string
  remoteName: string
  helo: string
  tls: string | null
  /** ESMTP, ESMTPS, ESMTPA, ESMTPSA: for the Received header (RFC 3848). */
  protocol: string
  /** Submission: who is logged in. */
  account: { id: AccountId; address: string } | null
}

export type RecipientVerdict =
  | { kind: 'accepted'; address: string }
  /** Reply code, RFC 3463 status and text to say at RCPT. */
  | { kind: 'refused'; code: number; status: string; text: string }

/** Takes letters in. A front door says 250 when `finish()` has resolved, and at no other moment. */
export interface Intake {
  /** At MAIL: may this source use that envelope sender. Submission: only own address and aliases. */
  checkSender(source: IntakeSource, from: string): RecipientVerdict
  /**
   * At RCPT, from the map: unknown users are refused at every node; outside domains only for submission.
   * @param from the letter's sender: return addresses take letters without one only
   * @param size of the letter, as its sender announced it (RFC 1870)
   */
  checkRecipient(source: IntakeSource, address: string, from?: string, size?: number): RecipientVerdict
  begin(envelope: IntakeEnvelope): LetterWriter
}

export interface IntakeEnvelope {
  source: IntakeSource
  from: string
  recipients: string[]
  smtpUtf8: boolean
  eightBit: boolean
  receivedMs: number
  /** MAIL's parameters beyond these. */
  options?: EnvelopeOptions
  /** RCPT's parameters, by place in `recipients`. */
  recipientOptions?: readonly (RecipientOptions | undefined)[]
}

export interface LetterWriter {
  readonly length: number
  /** Resolves when more can be taken. Bytes exactly as they came, dot-unstuffed. */
  write(chunk: Uint8Array): Promise<void> | void
  /**
   * Adds trace headers on top, makes it durable, puts it in the queue. After this the letter is ours.
   * @returns junk: it was taken, and filed under Junk
   * @throws SkeinError `mail-loop` (too many Received), `message-too-large`, `header-too-large`, `disk-full`, … ; nothing was kept then.
   */
  finish(): Promise<{ queueId: QueueId; junk?: boolean }>
  abort(): Promise<void>
}

/** A letter that its sender has sent to the end, before this node says whether it takes it. */
export interface ExaminedLetter {
  id: QueueId
  source: IntakeSource
  from: string
  /** As given at RCPT. */
  recipients: readonly string[]
  /** The letter as it will be kept, without what this node puts on top. May be read more than once. */
  bytes(): AsyncIterable<Uint8Array>
  size: number
  /** Some recipient, after aliases, is outside our domains. */
  leaves: boolean
}

/**
 * take: into the queue and the mailbox. junk: the same, and filed under Junk where it ends. refuse: the sender is told so at the
 * end of the message, and nothing is kept.
 */
export type Examination =
  | {
      verdict: 'take' | 'junk'
      /** Header fields for the top of the letter, each ended by CR LF: Authentication-Results, DKIM-Signature and the like. */
      fields: string
      /** One sentence for `skein trace`, or ''. */
      detail: string
    }
  | { verdict: 'refuse'; code: number; status: string; text: string }

/** Looks at each letter once, where it enters the mesh: what strangers sent is judged, what our users sent is signed. */
export interface LetterExaminer {
  /** Whether there is anything to examine; else the letter is taken as it is, and nothing is spent on it. */
  concerns(source: IntakeSource, leaves: boolean): boolean
  /** Never throws for what the letter says. Where it can't say now (its DNS is silent) it answers as its policy says. */
  examine(letter: ExaminedLetter, signal: AbortSignal): Promise<Examination>
  /** Fields for the top of a letter that this node itself writes, each ended by CR LF; '' where there are none. Never throws. */
  signOwn(bytes: Uint8Array): Promise<string>
}

/** The examiner will not have the letter: whoever hands it in is told so in these words, and nothing is kept. */
export class LetterRefused extends SkeinError {
  readonly replyCode: number
  readonly status: string

  constructor({ code, status, text }: { code: number; status: string; text: string }) {
    super('letter-refused', code < 500 ? 'temporary' : 'refused', text)
    this.replyCode = code
    this.status = status
  }
}

/** Who logged in where: told by the account's home. */
export interface Entrances {
  /** @throws SkeinError where the home can't be asked now */
  enteredAt(account: { id: AccountId; home: NodeId }, node: NodeId): Promise<boolean>
}

/** What `skein queue` does. */
export interface QueueControl {
  list(): QueueItem[]
  /** Now, also what is held. @throws SkeinError `no-such-letter`, as do the others. */
  retry(id: QueueId): Promise<void>
  hold(id: QueueId): Promise<void>
  release(id: QueueId): Promise<void>
  /**
   * Final; the sender is told unless `silent`. A letter that another node has is asked back: resolves when that node has said
   * what came of it, or after `recallWaitMs`.
   */
  cancel(id: QueueId, options?: { silent?: boolean }): Promise<void>
}
