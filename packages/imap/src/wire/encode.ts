// Values to wire text (RFC 9051 §9). Text here is a byte string: one char for each byte that will be sent,
// so that a reply may hold 8-bit literals and still be put together as one string.
import { encodeMailboxName } from './mailbox-name.ts'

/** UTF-16 text to a byte string of its UTF-8. */
export function utf8Bytes(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

export function isAscii(text: string): boolean {
  return !/[^\x00-\x7f]/.test(text)
}

const QUOTED_BYTES_MAX = 8192

/** Needs nothing but the quotes. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/**
 * A quoted string where the grammar allows it, else a literal.
 * @param utf8 the client enabled UTF-8 in quoted strings (RFC 6855 §3).
 */
export function formatString(bytes: string, utf8 = false): string {
  if (bytes.length <= QUOTED_BYTES_MAX && PLAIN.test(bytes)) return `"${bytes}"`
  if (bytes.length > QUOTED_BYTES_MAX || /[\0\r\n]/.test(bytes)) return literal(bytes)
  if (/[^\x20-\x7e]/.test(bytes)) {
    const quotable = utf8 && !/[\x01-\x1f\x7f]/.test(bytes) && isUtf8(bytes)
    if (!quotable) return literal(bytes)
  }
  return `"${bytes.replaceAll(/["\\]/g, '\\$&')}"`
}

function literal(bytes: string): string {
  // NUL can stand in no string (RFC 9051 §9 CHAR8); a header that holds one is broken already.
  const sendable = bytes.includes('\0') ? bytes.replaceAll('\0', '\x80') : bytes
  return `{${sendable.length}}\r\n${sendable}`
}

function isUtf8(bytes: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1'))
    return true
  } catch {
    return false
  }
}

export function formatNstring(bytes: string | null, utf8 = false): string {
  return bytes === null ? 'NIL' : formatString(bytes, utf8)
}

/** A mailbox name: an atom where it can be one, modified UTF-7 unless the client enabled UTF-8. */
export function formatMailbox(name: string, utf8: boolean): string {
  const bytes = utf8 ? utf8Bytes(name) : encodeMailboxName(name)
  if (/^[A-Za-z0-9_./&+,-]+$/.test(bytes) && !/^nil$/i.test(bytes)) return bytes
  return formatString(bytes, utf8)
}

/** Text for people after a status: one line, no control characters. */
export function formatText(text: string): string {
  return utf8Bytes(text.replaceAll(/[\x00-\x1f\x7f]+/g, ' ').trim()) || '-'
}
