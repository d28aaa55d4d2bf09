// Content-Transfer-Encoding (RFC 2045 §6): base64 and quoted-printable, read tolerantly and written properly.
// Promises: never throws; what is no code is passed over (base64) or stays as it is (quoted-printable).
import { asBuffer } from './byte-view.ts'

/** Bytes of a body after its transfer encoding; a view of `bytes` where nothing is encoded. */
export function decodeTransfer(bytes: Uint8Array, encoding: string): Uint8Array {
  if (encoding === 'base64') return decodeBase64(asBuffer(bytes))
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(asBuffer(bytes))
  return bytes
}

/** Anything outside the alphabet is ignored (RFC 2045 §6.8); padding ends the data, or starts a new group. */
function decodeBase64(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  const pad = text.indexOf('=')
  if (pad < 0) return Buffer.from(text, 'base64')
  // Encoded in pieces, or followed by a footer that a list put there in plain text.
  const rest = text.slice(pad)
  const pieces = /[A-Za-z0-9+/]/.test(rest) && !/[^A-Za-z0-9+/=\s]|[^\s=] [^\s=]/.test(rest)
  return pieces ? decodeBase64Pieces(bytes) : Buffer.from(text.slice(0, pad), 'base64')
}

/** Value of each byte in the base64 alphabet, and that of base64url; 64 for the others. */
const digits = new Uint8Array(256).fill(64)
for (const [value, char] of Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').entries()) {
  digits[char.charCodeAt(0)] = value
}
digits[45] = 62
digits[95] = 63

/** Encoded in pieces, each with its padding, by senders that glue files together. */
function decodeBase64Pieces(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(Math.ceil(bytes.length / 4) * 3)
  let size = 0
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    const digit = digits[byte] ?? 64
    if (digit < 64) {
      bits = ((bits << 6) | digit) & 0xffff
      held += 6
      if (held < 8) continue
      held -= 8
      out[size] = bits >> held
      size += 1
    } else if (byte === EQUALS) held = 0
  }
  return out.subarray(0, size)
}

const EQUALS = 61
const LF = 10
const CR = 13

/** RFC 2045 §6.7; blanks at a line's end were added on the way and go. */
function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length)
  const length = bytes.length
  let size = 0
  let position = 0
  while (position < length) {
    const byte = bytes[position] ?? 0
    if (byte === EQUALS) {
      const value = hexValue(bytes[position + 1]) * 16 + hexValue(bytes[position + 2])
      if (value >= 0) {
        out[size] = value
        size += 1
        position += 3
        continue
      }
      const next = softBreak(bytes, position + 1)
      if (next > 0) {
        position = next
        continue
      }
    } else if (byte === 32 || byte === 9) {
      const end = blankEnd(bytes, position)
      if (end < length && (bytes[end] === LF || (bytes[end] === CR && bytes[end + 1] === LF))) {
        position = end
        continue
      }
      size += bytes.copy(out, size, position, end)
      position = end
      continue
    }
    out[size] = byte
    size += 1
    position += 1
  }
  return out.subarray(0, size)
}

/** Offset after `=` blanks line end, or -1. At the very end of the text `=` is a soft break too. */
function softBreak(bytes: Buffer, start: number): number {
  const end = blankEnd(bytes, start)
  if (end >= bytes.length) return bytes.length
  if (bytes[end] === LF) return end + 1
  return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : -1
}

function blankEnd(bytes: Buffer, start: number): number {
  let end = start
  while (end < bytes.length && (bytes[end] === 32 || bytes[end] === 9)) end += 1
  return end
}

/** Far below zero for what is no digit, so that a sum with it stays negative. */
function hexValue(code: number | undefined): number {
  if (code === undefined) return -1000
  if (code >= 48 && code <= 57) return code - 48
  if (code >= 65 && code <= 70) return code - 55
  return code >= 97 && code <= 102 ? code - 87 : -1000
}

/** Base64 in lines of 76 characters with CRLF. */
export function encodeBase64Lines(bytes: Uint8Array): string {
  const text = asBuffer(bytes).toString('base64')
  return text.replace(/.{1,76}/g, '$&\r\n')
}

/** Quoted-printable of text whose lines end in CRLF (RFC 2045 §6.7). */
export function encodeQuotedPrintable(text: string): string {
  return text
    .split('\r\n')
    .map((line) => encodeQuotedLine(line))
    .join('\r\n')
}

const quotedLineMax = 76

function encodeQuotedLine(line: string): string {
  let out = ''
  let column = 0
  const characters = Array.from(line)
  for (const [index, character] of characters.entries()) {
    const last = index === characters.length - 1
    const plain = /^[!-<>-~]$/.test(character) || (character === ' ' && !last)
    let coded = character
    if (!plain) {
      coded = ''
      for (const byte of Buffer.from(character)) coded += `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    }
    if (column + coded.length > quotedLineMax - 1) {
      out += '=\r\n'
      column = 0
    }
    out += coded
    column += coded.length
  }
  return out
}
