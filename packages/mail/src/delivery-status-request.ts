// What a delivery status notification is made from (RFC 3464 §2.2, §2.3).

export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

export interface DsnRecipient {
  finalRecipient: string
  originalRecipient?: string
  action: DsnAction
  /** RFC 3463, e.g. 5.1.1. */
  status: string
  /** What the other side said, e.g. `550 5.1.1 no such user`. */
  diagnosticCode: string
  remoteMta?: string
  lastAttemptMs?: number
  willRetryUntilMs?: number
}

export interface DsnRequest {
  kind: 'failure' | 'delay' | 'success'
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
  /** Without brackets. */
  messageId: string
  /** The caller's unique multipart boundary; lengthened where the letter happens to contain it. */
  boundary: string
}
