// What a delivery status notification is made from (RFC 3464 §2.2, §2.3).

export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface DsnRecipient {
  finalRecipient: string
  originalRecipient?: string
  /** RFC 3464 §2.3.1; absent: rfc822, or utf-8 where the address needs it. */
  originalRecipientType?: string
  action: DsnAction
  /** RFC 3463, e.g. 5.1.1. */
  status: string
  /** What the other side said, e.g. `550 5.1.1 no such user`. */
  diagnosticCode: string
  remoteMta?: string
  lastAttemptMs?: number
  willRetryUntilMs?: number
}

/** relayed and expanded: a success as far as this node can tell (RFC 3464 §2.3.3). */
export type DsnKind = 'failure' | 'delay' | 'success' | 'relayed' | 'expanded'

export interface DsnRequest {
  kind: DsnKind
  reportingMta: string
  /** The MAILER-DAEMON address of the From field. */
  from: string
  to: string
  originalEnvelopeId?: string
  arrivalMs: number
  nowMs: number
  recipients: readonly DsnRecipient[]
  /** Header of the letter that is reported on; what follows its blank line is left out. */
  originalHeader: Uint8Array
  /** The whole letter, where it is to go back (RFC 3461 §4.3 RET=FULL); only its header does where it can't be enclosed as it is. */
  original?: Uint8Array
  /** Without brackets. */
  messageId: string
  /** The caller's unique multipart boundary; lengthened where the letter happens to contain it. */
  boundary: string
}
