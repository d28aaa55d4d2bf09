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
  /** Header of the letter that is reported on. */
  originalHeader: Uint8Array
  /** Without brackets. */
  messageId: string
  /** The caller's unique multipart boundary. */
  boundary: string
}
export interface ParsedDsn {
  reportingMta: string | null
  originalEnvelopeId: string | null
  arrivalMs: number | null
  recipients: ParsedDsnRecipient[]
}
export interface ParsedDsnRecipient {
  finalRecipient: string | null
  originalRecipient: string | null
  action: string | null
  status: string | null
  diagnosticCode: string | null
  remoteMta: string | null
  lastAttemptMs: number | null
  willRetryUntilMs: number | null
}
export function composeDsn(request: DsnRequest): Uint8Array {
  return Buffer.from(request.to)
}
export function parseDsn(bytes: Uint8Array): ParsedDsn | null {
  return bytes.length === 0 ? null : null
}
