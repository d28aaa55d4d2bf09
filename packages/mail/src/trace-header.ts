// Trace fields (RFC 5321 §4.4): Received and Return-Path written, counted and read.
// Promises: what strangers say (HELO, names, addresses) can end neither a line nor a clause.
import { asBuffer } from './byte-view.ts'
import { formatDate } from './date-time.ts'
import { parseHeaderFields, unfold } from './header.ts'

export interface ReceivedTrace {
  from?: { helo: string; name: string; ip: string }
  /** Host name of this node. */
  by: string
  /** RFC 3848: ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP, … */
  protocol: string
  /** The queue id. */
  id: string
  /** Only where the letter has one recipient. */
  for?: string
  /** e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  tls?: string
  dateMs: number
}

const wordCharactersMax = 255
const pathBytesMax = 512

/** `Received: …` with its folds and final CRLF, ready to be put on top of a message (as UTF-8). */
export function formatReceived(trace: ReceivedTrace): string {
  const lines: string[] = []
  if (trace.from !== undefined) {
    const { helo, name, ip } = trace.from
    const host = name === '' ? '' : `${traceWord(name)} `
    lines.push(`from ${traceWord(helo)} (${host}${addressLiteral(ip)})`)
  }
  const tls = trace.tls === undefined || trace.tls === '' ? '' : ` (${commentText(trace.tls)})`
  lines.push(`by ${traceWord(trace.by)} with ${traceWord(trace.protocol)}${tls}`)
  const recipient = trace.for === undefined || trace.for === '' ? '' : ` for <${pathText(trace.for)}>`
  lines.push(`id ${traceWord(trace.id)}${recipient};`)
  lines.push(formatDate(trace.dateMs))
  return `Received: ${lines.join('\r\n\t')}\r\n`
}

/** One word of a clause: anything that could open a comment, end the clause or the line becomes `?`. */
function traceWord(text: string): string {
  const safe = text.slice(0, wordCharactersMax).replace(/[^A-Za-z0-9.:_\-+=/[\]]/g, '?')
  return safe === '' ? 'unknown' : safe
}

function commentText(text: string): string {
  return text.slice(0, wordCharactersMax).replace(/[^A-Za-z0-9 .:_\-+=/,]/g, '?')
}

// RFC 5321 §4.1.3
function addressLiteral(ip: string): string {
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(ip)
  const plain = mapped?.[1] ?? ip
  return plain.includes(':') ? `[IPv6:${traceWord(plain)}]` : `[${traceWord(plain)}]`
}

/** An address between angle brackets: no control characters, no blanks or brackets outside quotes. */
function pathText(address: string): string {
  let text = address.toWellFormed().replace(/[\u0000-\u001f\u007f]/g, '?')
  // RFC 5321 §4.5.3.1.3, with room for quotes: no address that was accepted is cut.
  if (Buffer.byteLength(text) > pathBytesMax) text = Buffer.from(text).toString('utf8', 0, pathBytesMax)
  return /^"(?:[^"\\]|\\.)*"@[^<>"\s]*$/.test(text) ? text : text.replace(/[<>"()\s;\\]/g, '?')
}

/** `Return-Path: <address>` and CRLF; the address '' for bounces. */
export function formatReturnPath(address: string): string {
  return `Return-Path: <${pathText(address)}>\r\n`
}

const LF = 10

/** Received fields in the header; stops at the blank line. */
export function countReceived(headerBytes: Uint8Array): number {
  const buffer = asBuffer(headerBytes)
  let count = 0
  let position = 0
  while (position < buffer.length) {
    const first = buffer[position]
    if (first === LF || (first === 13 && buffer[position + 1] === LF)) break
    if ((first === 0x52 || first === 0x72) && /^received[ \t]*:$/i.test(nameAt(buffer, position))) count += 1
    const newline = buffer.indexOf(LF, position)
    if (newline < 0) break
    position = newline + 1
  }
  return count
}

/** Up to the first colon, in at most 64 characters. */
function nameAt(buffer: Buffer, position: number): string {
  const text = buffer.toString('latin1', position, position + 64)
  return text.slice(0, text.indexOf(':') + 1)
}

/** The first Message-ID without its brackets; '' where there is none. */
export function findMessageId(headerBytes: Uint8Array): string {
  const field = parseHeaderFields(headerBytes).find((candidate) => candidate.lower === 'message-id')
  if (field === undefined) return ''
  return messageIdText(unfold(asBuffer(headerBytes).toString('latin1', field.valueStart, field.end)))
}

/** Text between the first angle brackets, else the first word (RFC 5322 §3.6.4, and what is sent without brackets). */
export function messageIdText(value: string): string {
  const match = /<([^<>]*)>/.exec(value)
  if (match !== null) return (match[1] ?? '').replace(/[ \t\r\n]+/g, '')
  return /[^ \t\r\n<>]+/.exec(value)?.[0] ?? ''
}
