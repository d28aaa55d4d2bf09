// One message as the index holds it: its folded texts, one after another, and whether a query finds them.
// Promises: what is found here is what a plain look at the message finds; the index only says where to look.
import { foldText, foldedHeaderHas } from '@skein/mail'
import type { TextField, TextQuery } from '@skein/mailboxes'

export const SECTIONS = ['subject', 'from', 'to', 'cc', 'bcc', 'header', 'parts', 'body'] as const
export type Section = (typeof SECTIONS)[number]
export type LetterTexts = Record<Section, string>

/** Where a term stands, as bits of a posting. */
export const MASKS: Record<Section, number> = {
  subject: 1,
  from: 2,
  to: 4,
  cc: 8,
  bcc: 16,
  header: 32,
  parts: 32,
  body: 64,
}
export const BODY_MASK = 64

/** Of a term that a field may be found by. */
export function maskOf(field: TextField): number {
  return field === 'text' ? MASKS.header | MASKS.body : MASKS[field]
}

const SEPARATOR = '\0'

/** The folded texts have no NUL in them. */
export function packTexts(texts: LetterTexts): Buffer {
  return Buffer.from(SECTIONS.map((section) => texts[section]).join(SEPARATOR))
}

export interface PreparedQuery extends TextQuery {
  /** Folded. */
  name: string
  needle: Buffer
}

export function prepareQuery(query: TextQuery): PreparedQuery {
  return { ...query, name: foldText(query.name ?? ''), needle: Buffer.from(query.text) }
}

/** @param packed as `packTexts` made it */
export function packedHas(packed: Buffer, query: PreparedQuery): boolean {
  if (query.field === 'header') {
    return foldedHeaderHas(section(packed, 5).toString(), query.name, query.text)
  }
  if (query.needle.length === 0) return true
  if (query.field === 'text') {
    return ends(packed, 5).some(([start, end]) => holds(packed.subarray(start, end), query.needle))
  }
  return holds(section(packed, SECTIONS.indexOf(query.field)), query.needle)
}

function holds(bytes: Buffer, needle: Buffer): boolean {
  return bytes.includes(needle)
}

function section(packed: Buffer, wanted: number): Buffer {
  const [range] = ends(packed, wanted)
  return range === undefined ? packed.subarray(0, 0) : packed.subarray(range[0], range[1])
}

/** Ranges of the sections from `first` on. */
function ends(packed: Buffer, first: number): [number, number][] {
  const ranges: [number, number][] = []
  let start = 0
  for (let at = 0; at < SECTIONS.length; at++) {
    const found = at === SECTIONS.length - 1 ? -1 : packed.indexOf(0, start)
    const end = found < 0 ? packed.length : found
    if (at >= first) ranges.push([start, end])
    start = end + 1
  }
  return ranges
}
