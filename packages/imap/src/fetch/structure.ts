// ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) from what was parsed at delivery.
import { encodeWords } from '@skein/mail'
import type { Envelope, EnvelopeAddress, MimePart } from '@skein/mail'
import { formatNstring, formatString, isAscii, utf8Bytes } from '../wire/encode.ts'

/** Header texts hold their 8-bit bytes as chars up to U+00FF; what lies above was decoded and goes as UTF-8. */
function rawBytes(text: string): string {
  return /[^\x00-\xff]/.test(text) ? utf8Bytes(text) : text
}

function nstring(text: string | null, utf8: boolean): string {
  return text === null ? 'NIL' : formatString(rawBytes(text), utf8)
}

/** Decoded text, as encoded-words for those who did not enable UTF-8. */
function decodedText(text: string | null, utf8: boolean): string {
  if (text === null) return 'NIL'
  return isAscii(text) ? formatString(text) : formatString(utf8 ? utf8Bytes(text) : encodeWords(text), utf8)
}

export function formatEnvelope(envelope: Envelope, utf8: boolean): string {
  const { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId } = envelope
  const senders = `${formatAddresses(from, utf8)} ${formatAddresses(sender, utf8)} ${formatAddresses(replyTo, utf8)}`
  const recipients = `${formatAddresses(to, utf8)} ${formatAddresses(cc, utf8)} ${formatAddresses(bcc, utf8)}`
  const ids = `${nstring(inReplyTo, utf8)} ${nstring(messageId, utf8)}`
  return `(${nstring(date, utf8)} ${nstring(subject, utf8)} ${senders} ${recipients} ${ids})`
}

function formatAddresses(addresses: readonly EnvelopeAddress[], utf8: boolean): string {
  if (addresses.length === 0) return 'NIL'
  let text = '('
  for (const { name, adl, mailbox, host } of addresses) {
    text += `(${decodedText(name, utf8)} ${nstring(adl, utf8)} ${nstring(mailbox, utf8)} ${nstring(host, utf8)})`
  }
  return `${text})`
}

/** @param extended BODYSTRUCTURE; else BODY, without the extension data. */
export function formatStructure(part: MimePart, extended: boolean, utf8: boolean): string {
  return part.type === 'multipart' ? formatMultipart(part, extended, utf8) : formatPart(part, extended, utf8)
}

function upper(text: string): string {
  return formatString(text.toUpperCase())
}

function formatMultipart(part: MimePart, extended: boolean, utf8: boolean): string {
  // The grammar wants a part (RFC 9051 §9 body-type-mpart): an empty multipart shows one empty text.
  const parts =
    part.children.length === 0
      ? '("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0)'
      : part.children.map((child) => formatStructure(child, extended, utf8)).join('')
  const extension = extended ? ` ${formatParameters(part.parameters, utf8)} ${formatTail(part, utf8)}` : ''
  return `(${parts} ${upper(part.subtype)}${extension})`
}

function formatPart(part: MimePart, extended: boolean, utf8: boolean): string {
  const fields = [
    upper(part.type),
    upper(part.subtype),
    formatParameters(part.parameters, utf8),
    nstring(part.id, utf8),
    nstring(part.description, utf8),
    upper(part.encoding),
    String(part.bodyEnd - part.bodyStart),
  ]
  const enclosed = part.type === 'message' ? part.children[0] : undefined
  if (enclosed !== undefined && part.envelope !== null) {
    fields.push(formatEnvelope(part.envelope, utf8), formatStructure(enclosed, extended, utf8), String(part.lines))
  } else if (part.type === 'text') {
    fields.push(String(part.lines))
  }
  if (extended) fields.push(nstring(part.md5, utf8), formatTail(part, utf8))
  return `(${fields.join(' ')})`
}

/** What single and multiple parts end with: disposition, language, location. */
function formatTail(part: MimePart, utf8: boolean): string {
  const { disposition, language } = part
  const shownDisposition =
    disposition === null ? 'NIL' : `(${upper(disposition.type)} ${formatParameters(disposition.parameters, utf8)})`
  const shownLanguage =
    language === null || language.length === 0
      ? 'NIL'
      : `(${language.map((tag) => formatString(rawBytes(tag), utf8)).join(' ')})`
  return `${shownDisposition} ${shownLanguage} ${nstring(part.location, utf8)}`
}

function formatParameters(parameters: Readonly<Record<string, string>>, utf8: boolean): string {
  const names = Object.keys(parameters)
  if (names.length === 0) return 'NIL'
  return `(${names.map((name) => formatParameter(name, parameters[name] ?? '', utf8)).join(' ')})`
}

/** RFC 2231 §4 for those who cannot be sent UTF-8. */
function formatParameter(name: string, value: string, utf8: boolean): string {
  const shownName = rawBytes(name.toUpperCase())
  if (isAscii(value) || utf8) return `${formatString(shownName, utf8)} ${formatString(utf8Bytes(value), utf8)}`
  const escaped = encodeURIComponent(value.toWellFormed()).replaceAll(
    /['()*!]/g,
    (char) => `%${char.charCodeAt(0).toString(16)}`,
  )
  return `${formatString(`${shownName}*`, utf8)} ${formatString(`UTF-8''${escaped}`)}`
}

/** RFC 8970 §3.2: always UTF-8, in a literal where the client did not enable quoted UTF-8. */
export function formatPreview(preview: string, utf8: boolean): string {
  return formatNstring(utf8Bytes(preview), utf8)
}
