// Delivery status notifications (RFC 3461-3464, RFC 6533): composed for senders, read when they come to us.
// Promises: what other servers said can end neither a line nor a part; every line is 7-bit and at most 998 characters
// unless the sender's own address is not ASCII (then the letter needs SMTPUTF8 anyway).
import { asBuffer } from './byte-view.ts'
import { formatDate, parseDate } from './date-time.ts'
import { encodeWords } from './encoded-word.ts'
import { fieldValue, formatField, headerEnd, parseHeaderFields } from './header.ts'
import { indexMessage } from './message-index.ts'
import { decodePart } from './readable-text.ts'
import { dsnSubject, dsnText } from './delivery-status-text.ts'
import { findMessageId } from './trace-header.ts'
import { encodeBase64Lines, encodeQuotedPrintable } from './transfer-encoding.ts'
import type { DsnRecipient, DsnRequest } from './delivery-status-request.ts'
import type { MimePart } from './types.ts'
import { mailLimits } from './types.ts'

export type { DsnAction, DsnKind, DsnRecipient, DsnRequest } from './delivery-status-request.ts'

export interface ParsedDsnRecipient {
  finalRecipient: string | null
  originalRecipient: string | null
  /** Lower case. */
  action: string | null
  status: string | null
  diagnosticCode: string | null
  remoteMta: string | null
  lastAttemptMs: number | null
  willRetryUntilMs: number | null
}

export interface ParsedDsn {
  reportingMta: string | null
  originalEnvelopeId: string | null
  arrivalMs: number | null
  recipients: ParsedDsnRecipient[]
}

/** RFC 5322 §2.1.1 */
const lineBytesMax = 998

/** A whole message, multipart/report (RFC 6522), lines ending in CRLF. 8-bit only where it encloses a letter that is. */
export function composeDsn(request: DsnRequest): Uint8Array {
  const original = findMessageId(request.originalHeader)
  const parts = [textPart(dsnText(request)), statusPart(request)].map((part) => Buffer.from(part))
  const enclosed = request.original && enclosedMessage(request.original)
  parts.push(enclosed?.part ?? Buffer.from(returnedHeader(request.originalHeader)))
  const boundary = freshBoundary(request.boundary, parts)
  const quotable = /^[\x21-\x3b\x3d\x3f-\x7e]{1,250}$/.test(original)
  const subject = dsnSubject[request.kind]
  const top =
    formatField('From', `Mail Delivery System <${addressText(request.from)}>`) +
    formatField('To', `<${addressText(request.to)}>`) +
    formatField('Subject', encodeWords(subject)) +
    formatField('Date', formatDate(request.nowMs)) +
    formatField('Message-ID', `<${addressText(request.messageId)}>`) +
    (quotable ? formatField('In-Reply-To', `<${original}>`) + formatField('References', `<${original}>`) : '') +
    // RFC 3834 §5
    formatField('Auto-Submitted', 'auto-replied') +
    formatField('MIME-Version', '1.0') +
    (enclosed?.eightBit ? formatField('Content-Transfer-Encoding', '8bit') : '') +
    formatField('Content-Type', `multipart/report; report-type=delivery-status; boundary="${boundary}"`)
  const opening = Buffer.from(`--${boundary}\r\n`)
  const pieces = parts.flatMap((part) => [opening, part, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(`${top}\r\n`), ...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

/** RFC 6522 §3; undefined for what is no text of lines: such a letter can't be enclosed without a change. */
function enclosedMessage(original: Uint8Array): { part: Buffer<ArrayBuffer>; eightBit: boolean } | undefined {
  const text = asBuffer(original).toString('latin1')
  if (/\0|\r(?!\n)|(?<!\r)\n/.test(text) || new RegExp(`[^\\r\\n]{${lineBytesMax + 1}}`).test(text)) return undefined
  const eightBit = !isAsciiText(text)
  const inHeader = eightBit && !isAsciiText(text.slice(0, headerEnd(original)))
  const encoding = eightBit ? 'Content-Transfer-Encoding: 8bit\r\n' : ''
  const type = `Content-Type: ${inHeader ? 'message/global' : 'message/rfc822'}\r\n`
  return { part: Buffer.concat([Buffer.from(`${type}${encoding}\r\n`), original]), eightBit }
}

/** No control characters, blanks or angle brackets: an address that was accepted has none outside quotes. */
function addressText(address: string): string {
  return /^"(?:[^"\\]|\\.)*"@[^<>"\s]*$/.test(address) ? clean(address) : clean(address).replace(/[<>\s]/g, '')
}

/** One line of text. */
function clean(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
}

function isAsciiText(text: string): boolean {
  return !/[^\u0000-\u007f]/.test(text)
}

function freshBoundary(wanted: string, parts: readonly Buffer[]): string {
  let boundary = wanted.replace(/[^A-Za-z0-9'()+_,\-./:=?]/g, '').slice(0, 60)
  if (boundary === '') boundary = 'report'
  while (parts.some((part) => part.includes(`--${boundary}`))) boundary += '='
  return boundary
}

function textPart(text: string): string {
  return (
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
    encodeBase64Lines(Buffer.from(text.replace(/\r?\n/g, '\r\n')))
  )
}

/** RFC 3464 §2; with addresses that are not ASCII the form of RFC 6533 §4. */
function statusPart(request: DsnRequest): string {
  const international = request.recipients.some(
    ({ finalRecipient, originalRecipient }) => !isAsciiText(finalRecipient + (originalRecipient ?? '')),
  )
  const groups = [messageFields(request), ...request.recipients.map((recipient) => recipientFields(recipient))]
  const text = groups.join('\r\n')
  if (!international) {
    return `Content-Type: message/delivery-status\r\n\r\n${text.replace(/[^\r\n\u0020-\u007e]/g, '?')}`
  }
  return (
    'Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' +
    encodeQuotedPrintable(text)
  )
}

function messageFields(request: DsnRequest): string {
  const { originalEnvelopeId } = request
  return (
    formatField('Reporting-MTA', `dns; ${clean(request.reportingMta)}`) +
    (originalEnvelopeId === undefined ? '' : formatField('Original-Envelope-Id', clean(originalEnvelopeId))) +
    formatField('Arrival-Date', formatDate(request.arrivalMs))
  )
}

function recipientFields(recipient: DsnRecipient): string {
  const { originalRecipient, remoteMta, lastAttemptMs, willRetryUntilMs } = recipient
  const diagnostic = clean(recipient.diagnosticCode).slice(0, mailLimits.dsnDiagnosticCharactersMax).toWellFormed()
  const { originalRecipientType: type } = recipient
  const original =
    type === undefined ? typedAddress(originalRecipient ?? '') : `${type}; ${clean(originalRecipient ?? '')}`
  const status = /^[245]\.\d{1,3}\.\d{1,3}$/.test(recipient.status) ? recipient.status : '5.0.0'
  return (
    (originalRecipient === undefined ? '' : formatField('Original-Recipient', original)) +
    formatField('Final-Recipient', typedAddress(recipient.finalRecipient)) +
    formatField('Action', recipient.action) +
    formatField('Status', status) +
    (remoteMta === undefined || remoteMta === '' ? '' : formatField('Remote-MTA', `dns; ${clean(remoteMta)}`)) +
    (diagnostic === '' ? '' : formatField('Diagnostic-Code', `smtp; ${diagnostic}`)) +
    (lastAttemptMs === undefined ? '' : formatField('Last-Attempt-Date', formatDate(lastAttemptMs))) +
    (willRetryUntilMs === undefined ? '' : formatField('Will-Retry-Until', formatDate(willRetryUntilMs)))
  )
}

/** RFC 3464 §2.1.2, RFC 6533 §3. */
function typedAddress(address: string): string {
  const text = addressText(address)
  return `${isAsciiText(text) ? 'rfc822' : 'utf-8'}; ${text}`
}

/** RFC 6522 §4, RFC 6533 §6; encoded where a line would not pass a 7-bit path as it is. */
function returnedHeader(original: Uint8Array): string {
  const buffer = asBuffer(original)
  let end = headerEnd(buffer)
  if (end > mailLimits.dsnReturnedHeaderBytesMax) {
    const lastLine = buffer.lastIndexOf(10, mailLimits.dsnReturnedHeaderBytesMax - 1)
    end = lastLine < 0 ? mailLimits.dsnReturnedHeaderBytesMax : lastLine + 1
  }
  const text = buffer.toString('latin1', 0, end)
  const ascii = !/[^\u0001-\u007f]/.test(text)
  const type = ascii ? 'text/rfc822-headers' : 'message/global-headers'
  const sound = ascii && !/\r(?!\n)|(?<!\r)\n/.test(text) && !new RegExp(`[^\\r\\n]{${lineBytesMax + 1}}`).test(text)
  if (sound) return `Content-Type: ${type}\r\n\r\n${text}`
  return (
    `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n\r\n` + encodeBase64Lines(buffer.subarray(0, end))
  )
}

/** The machine-readable part of a notification; null where the message has none. */
export function parseDsn(bytes: Uint8Array): ParsedDsn | null {
  const part = findStatusPart(indexMessage(bytes).root)
  if (part === null) return null
  const groups = fieldGroups(decodePart(bytes, part))
  const [first, ...rest] = groups
  if (first === undefined) return null
  // Some senders leave out the blank line after the fields of the whole message.
  const recipients = first.has('final-recipient') ? groups : rest
  return {
    reportingMta: typedText(first.get('reporting-mta')),
    originalEnvelopeId: first.get('original-envelope-id') ?? null,
    arrivalMs: parseDate(first.get('arrival-date') ?? ''),
    recipients: recipients.filter((group) => group.has('final-recipient')).map((group) => parseRecipient(group)),
  }
}

function findStatusPart(part: MimePart): MimePart | null {
  if (part.type === 'message' && (part.subtype === 'delivery-status' || part.subtype === 'global-delivery-status'))
    return part
  // A status inside an enclosed message reports on another letter.
  if (part.type !== 'multipart') return null
  for (const child of part.children) {
    const found = findStatusPart(child)
    if (found !== null) return found
  }
  return null
}

function fieldGroups(body: Uint8Array): Map<string, string>[] {
  const groups: Map<string, string>[] = []
  let position = 0
  while (position < body.length && groups.length <= mailLimits.dsnRecipientsReadMax) {
    const end = headerEnd(body, position)
    const fields = parseHeaderFields(body, position, end)
    if (fields.length > 0) {
      const group = new Map<string, string>()
      for (const field of fields) {
        const value = Buffer.from(fieldValue(body, field), 'latin1').toString()
        if (!group.has(field.lower)) group.set(field.lower, value)
      }
      groups.push(group)
    }
    position = end
  }
  return groups
}

function parseRecipient(group: ReadonlyMap<string, string>): ParsedDsnRecipient {
  return {
    finalRecipient: typedText(group.get('final-recipient')),
    originalRecipient: typedText(group.get('original-recipient')),
    action: group.get('action')?.toLowerCase() ?? null,
    status: /\d\.\d{1,3}\.\d{1,3}/.exec(group.get('status') ?? '')?.[0] ?? null,
    diagnosticCode: typedText(group.get('diagnostic-code')),
    remoteMta: typedText(group.get('remote-mta')),
    lastAttemptMs: parseDate(group.get('last-attempt-date') ?? ''),
    willRetryUntilMs: parseDate(group.get('will-retry-until') ?? ''),
  }
}

/** The text after `type;`, with RFC 6533 §3 `\x{…}` read for type utf-8. */
function typedText(value: string | undefined): string | null {
  if (value === undefined) return null
  const match = /^\s*([A-Za-z0-9.-]+)\s*;\s*(.*)$/s.exec(value)
  if (match === null) return value.trim()
  const text = (match[2] ?? '').trim()
  if ((match[1] ?? '').toLowerCase() !== 'utf-8') return text
  return text.replace(/\\x\{([0-9A-Fa-f]{1,6})\}/g, (whole, hex: string) => {
    const code = Number.parseInt(hex, 16)
    return code > 0x1f && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole
  })
}
