// Where a section of a message lies (RFC 9051 §6.4.5.1), by the offsets made at delivery: no body is parsed again.
import { parseHeaderFields } from '@skein/mail'
import type { MimePart } from '@skein/mail'
import type { Section } from './fetch-item.ts'

/** Bytes [start, end) of the whole message. */
export interface ByteRange {
  start: number
  end: number
}

function isMessage(part: MimePart): boolean {
  return part.type === 'message' && (part.subtype === 'rfc822' || part.subtype === 'global')
}

/** The part that the numbers lead to, or undefined where there is none. */
export function partAt(root: MimePart, numbers: readonly number[]): MimePart | undefined {
  let holder = root
  let found: MimePart | undefined
  for (const [depth, number] of numbers.entries()) {
    if (depth > 0) {
      // Numbers go on within a multipart, and within the message that a message/rfc822 part encloses.
      const enclosed = isMessage(holder) ? holder.children[0] : holder.type === 'multipart' ? holder : undefined
      if (enclosed === undefined) return undefined
      holder = enclosed
    }
    found = holder.type === 'multipart' ? holder.children[number - 1] : number === 1 ? holder : undefined
    if (found === undefined) return undefined
    holder = found
  }
  return found
}

/** The bytes of a part's section; for header fields, of the header that they are picked from. Undefined: no such part. */
export function locateSection(root: MimePart, section: Section): ByteRange | undefined {
  const part = partAt(root, section.part)
  if (part === undefined) return undefined
  if (section.what === 'all') return { start: part.bodyStart, end: part.bodyEnd }
  if (section.what === 'mime') return { start: part.headerStart, end: part.headerEnd }
  const enclosed = isMessage(part) ? part.children[0] : undefined
  return enclosed === undefined ? undefined : ofMessage(enclosed, section)
}

function ofMessage(root: MimePart, section: Section): ByteRange {
  return section.what === 'text'
    ? { start: root.bodyStart, end: root.bodyEnd }
    : { start: root.headerStart, end: root.headerEnd }
}

const BLANK_LINE = Buffer.from('\r\n')

/** The fields asked for, as they stand, and the blank line that ends every header (RFC 9051 §6.4.5.1). */
export function pickFields(header: Uint8Array, section: Section): Buffer {
  const wanted = section.what === 'fields'
  const pieces: Uint8Array[] = []
  for (const field of parseHeaderFields(header)) {
    if (section.fields.includes(field.lower) === wanted) pieces.push(header.subarray(field.start, field.end))
  }
  const last = pieces[pieces.length - 1]
  if (last !== undefined && last[last.length - 1] !== 0x0a) pieces.push(BLANK_LINE)
  pieces.push(BLANK_LINE)
  return Buffer.concat(pieces)
}
