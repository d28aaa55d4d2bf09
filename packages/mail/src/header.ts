// Message header (RFC 5322 §2.2, §3.2.2): bytes to fields with exact offsets, and the texts in them.
// Promises: never throws, whatever the bytes; linear in the size of the header.
// A line that is no field (no colon, or white space or 8-bit in the name) is passed over, not taken as the end.
import { trimBlanks, trimBlanksEnd } from './blanks.ts'
import { asBuffer } from './byte-view.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { mailLimits } from './types.ts'

export interface HeaderField {
  /** As written, without white space before the colon. */
  name: string
  /** Lower case. */
  lower: string
  /** Offset of the field's first byte. */
  start: number
  /** Offset after the field's last line end (folded lines included). */
  end: number
  /** Offset after the colon. */
  valueStart: number
}

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const COLON = 58

/** Offset after the blank line that ends the header which starts at `start`; `end` where there is none. */
export function headerEnd(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const buffer = asBuffer(bytes)
  let position = start
  while (position < end) {
    const first = buffer[position]
    if (first === LF) return position + 1
    if (first === CR && position + 1 < end && buffer[position + 1] === LF) return position + 2
    const newline = buffer.indexOf(LF, position)
    if (newline < 0 || newline >= end) return end
    position = newline + 1
  }
  return end
}

/** Fields of the header in [start, end), in order; stops at the blank line. At most `headerFieldsMax`. */
export function parseHeaderFields(bytes: Uint8Array, start = 0, end = bytes.length): HeaderField[] {
  const stop = headerEnd(bytes, start, end)
  return scanHeaderText(asBuffer(bytes).toString('latin1', start, stop), start)
}

/** As `parseHeaderFields`, for a header already read as latin1 text; `base` is the offset of its first character. */
export function scanHeaderText(text: string, base: number): HeaderField[] {
  const fields: HeaderField[] = []
  const length = text.length
  let position = 0
  while (position < length) {
    const start = position
    const first = text.charCodeAt(position)
    if (first === LF || (first === CR && text.charCodeAt(position + 1) === LF)) break
    position = lineAfter(text, position)
    while (position < length && isFoldStart(text.charCodeAt(position))) position = lineAfter(text, position)
    const colon = nameEnd(text, start, position)
    if (colon < 0) continue
    const name = trimBlanksEnd(text.slice(start, colon))
    fields.push({
      name,
      lower: name.toLowerCase(),
      start: base + start,
      end: base + position,
      valueStart: base + colon + 1,
    })
    if (fields.length >= mailLimits.headerFieldsMax) break
  }
  return fields
}

function lineAfter(text: string, position: number): number {
  const newline = text.indexOf('\n', position)
  return newline < 0 ? text.length : newline + 1
}

function isFoldStart(code: number): boolean {
  return code === SPACE || code === TAB
}

/** Index of the colon after a field name (RFC 5322 §2.2: 33-126 but colon; §4.5 lets white space follow), or -1. */
function nameEnd(text: string, start: number, end: number): number {
  let position = start
  while (position < end) {
    const code = text.charCodeAt(position)
    if (code <= SPACE || code >= 127 || code === COLON) break
    position += 1
  }
  if (position === start) return -1
  while (position < end && isFoldStart(text.charCodeAt(position))) position += 1
  return text.charCodeAt(position) === COLON ? position : -1
}

/** One line: fold breaks taken out (RFC 5322 §2.2.3), any other CR or LF turned to a space, trimmed, NUL left out. */
export function unfold(text: string): string {
  let line = text
  if (line.includes('\n') || line.includes('\r')) {
    line = line.replace(/\r?\n(?=[ \t])/g, '').replace(/[\r\n]+/g, ' ')
  }
  if (line.includes('\0')) line = line.replaceAll('\0', '')
  return trimBlanks(line)
}

/** Unfolded value; bytes as latin1 characters. */
export function fieldValue(bytes: Uint8Array, field: HeaderField): string {
  return unfold(asBuffer(bytes).toString('latin1', field.valueStart, field.end))
}

/** Unicode value: encoded words decoded (RFC 2047), raw 8-bit text taken as UTF-8 (RFC 6532) or guessed. */
export function decodedFieldValue(bytes: Uint8Array, field: HeaderField): string {
  return decodeHeaderText(fieldValue(bytes, field))
}

/**
 * One header field with its CRLF, folded at white space to lines of at most 78 characters where that can be done
 * (RFC 5322 §2.1.1). Control characters in the value become spaces, so that nothing can be put in behind it.
 */
export function formatField(name: string, value: string): string {
  const words = value
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .trim()
    .split(' ')
  let text = `${name}:`
  let column = text.length
  for (const [index, word] of words.entries()) {
    if (index > 0 && word !== '' && column + 1 + word.length > 78) {
      text += '\r\n'
      column = 0
    }
    text += ` ${word}`
    column += 1 + word.length
  }
  return `${text}\r\n`
}
