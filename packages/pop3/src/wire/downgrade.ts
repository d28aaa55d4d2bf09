// Messages with UTF-8 in their header, for clients that did not say UTF8 (RFC 6856 §2): an ASCII header in its place, in the
// manner of RFC 6858 and RFC 6857. Only the message's own header is changed; 8-bit bodies are the client's since RFC 6152.
// Promises: what is ASCII, or no UTF-8 at all, goes through byte for byte; never throws; what can not be said is left out.
import {
  type HeaderField,
  canonicalDomain,
  encodeWords,
  formatField,
  formatMailbox,
  headerEnd,
  parseAddressList,
  parseHeaderFields,
  unfold,
} from '@skein/mail'
import { isAscii, isUtf8 } from 'node:buffer'

const addressFields =
  /^(?:resent-)?(?:from|sender|to|cc|bcc|reply-to)$|^(?:return-receipt-to|disposition-notification-to|errors-to)$/
/** Fields whose value is free text: encoded words may stand in it (RFC 2047 §5 (1)). */
const freeText = /^(?:subject|comments|keywords|content-description|organization|thread-topic|x-.*)$/
const withParameters = /^content-(?:type|disposition)$/
/** RFC 6858 §2: an address that nobody has, for one that can not be written in ASCII. */
const unwritable = 'invalid@internationalized-address.invalid'

/** How much of a message may be header. */
const headerBytesMax = 256 * 1024

/** The whole message as such a client gets it. */
export function downgradeMessage(bytes: Uint8Array): Uint8Array {
  if (isAscii(bytes)) return bytes
  const end = headerEnd(bytes)
  const header = downgradeHeader(bytes.subarray(0, end))
  return header ? Buffer.concat([header, bytes.subarray(end)]) : bytes
}

/** The same, piece by piece: what comes until the header ends is held back. */
export async function* downgradeStream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Buffer | null = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (!held) {
      yield chunk
      continue
    }
    held = held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([held, chunk])
    if (!hasWholeHeader(held) && held.length < headerBytesMax) continue
    yield downgradeMessage(held)
    held = null
  }
  if (held) yield downgradeMessage(held)
}

function hasWholeHeader(bytes: Buffer): boolean {
  return bytes.includes('\n\r\n') || bytes.includes('\n\n') || bytes[0] === 10 || bytes[0] === 13
}

/** Null where it may stay as it is. */
function downgradeHeader(header: Uint8Array): Buffer | null {
  if (isAscii(header) || !isUtf8(header)) return null
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length)
  const pieces: Buffer[] = []
  let at = 0
  for (const field of parseHeaderFields(bytes)) {
    keepAscii(pieces, bytes.subarray(at, field.start))
    const whole = bytes.subarray(field.start, field.end)
    pieces.push(isAscii(whole) ? whole : Buffer.from(downgradeField(field, bytes), 'latin1'))
    at = field.end
  }
  keepAscii(pieces, bytes.subarray(at))
  return Buffer.concat(pieces)
}

/** The blank line, and lines that are no fields. */
function keepAscii(pieces: Buffer[], bytes: Buffer): void {
  if (isAscii(bytes)) pieces.push(bytes)
  else pieces.push(Buffer.from(/(?:\r?\n)?$/.exec(bytes.toString('latin1'))?.[0] ?? ''))
}

function downgradeField(field: HeaderField, bytes: Buffer): string {
  const name = field.name
  if (!isAscii(Buffer.from(name, 'latin1'))) return ''
  const value = unfold(bytes.toString('utf8', field.valueStart, field.end)).trim()
  if (addressFields.test(field.lower)) return formatField(name, downgradeAddresses(value))
  if (withParameters.test(field.lower)) return formatField(name, downgradeParameters(value))
  // Structure that encoded words would break, and that is nothing without what they stand for: left out.
  return freeText.test(field.lower) ? formatField(name, encodeWords(value)) : ''
}

function downgradeAddresses(value: string): string {
  const texts: string[] = []
  let inGroup = false
  for (const { name, mailbox, host } of parseAddressList(value)) {
    // A group's name and end: its members stand for themselves.
    if (host === null) {
      inGroup = mailbox !== null
      if (inGroup) continue
      continue
    }
    const domain = canonicalDomain(host)
    const isWritable = mailbox !== null && /^[\x21-\x7e]+$/.test(mailbox) && domain !== undefined
    texts.push(formatMailbox(name, isWritable ? `${mailbox}@${domain}` : unwritable))
  }
  // RFC 6854: a group of nobody, where nobody could be read.
  return texts.length > 0 ? texts.join(', ') : 'undisclosed:;'
}

/** RFC 2231 §4: `name="…"` with 8-bit characters becomes `name*=utf-8''…`. */
function downgradeParameters(value: string): string {
  const parameter = /;\s*([A-Za-z0-9!#$%&+\-.^_`{|}~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))/g
  const written = value.replaceAll(parameter, (whole, name: string, quoted?: string, token?: string) => {
    const text = quoted === undefined ? (token ?? '') : quoted.replaceAll(/\\(.)/gs, '$1')
    if (isAscii(Buffer.from(text))) return whole
    return `; ${name}*=utf-8''${encodeURIComponent(text.toWellFormed()).replaceAll(/['()*!]/g, percent)}`
  })
  return written.replaceAll(/[^\x00-\x7f]/g, '?')
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
