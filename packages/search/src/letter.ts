// One message as the index holds it: its folded texts, one after another, and whether a query finds them.
// Promises: what is found here is what a plain look at the message finds; the index only says where to look.
import { foldText, foldedHeaderHas, isMachineField } from '@skein/mail'
import type { TextField, TextQuery } from '@skein/mailboxes'

export const SECTIONS = ['subject', 'from', 'to', 'cc', 'bcc', 'machine', 'header', 'parts', 'body'] as const
export type Section = (typeof SECTIONS)[number]
export type LetterTexts = Record<Section, string>

/** Where a term stands, as bits of a posting. */
export const MASKS: Record<Section, number> = {
  subject: 1,
  from: 2,
  to: 4,
  cc: 8,
  bcc: 16,
  /** Has no terms. */
  machine: 0,
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

/** The first section, and the one after the last, that a field looks through. */
const spans: Record<TextField, [number, number]> = {
  subject: [0, 1],
  from: [1, 2],
  to: [2, 3],
  cc: [3, 4],
  bcc: [4, 5],
  header: [5, 7],
  text: [6, 9],
  body: [8, 9],
}

/** @param packed as `packTexts` made it */
export function packedHas(packed: Buffer, query: PreparedQuery): boolean {
  const { field, needle } = query
  const [first, end] = spans[field]
  if (field === 'header') {
    const section = isMachineField(query.name) ? first : first + 1
    return foldedHeaderHas(sectionOf(packed, section).toString(), query.name, query.text)
  }
  if (needle.length === 0) return true
  // Most hold it nowhere: where it stands is asked only of the others.
  let section = 0
  let start = 0
  for (let at = packed.indexOf(needle); at >= 0; at = packed.indexOf(needle, start)) {
    for (let next = packed.indexOf(0, start); next >= 0 && next < at; next = packed.indexOf(0, start)) {
      section += 1
      start = next + 1
    }
    if (section >= end) return false
    if (section >= first) return true
    // None before the next section counts.
    const next = packed.indexOf(0, at)
    if (next < 0) return false
    section += 1
    start = next + 1
  }
  return false
}

function sectionOf(packed: Buffer, wanted: number): Buffer {
  let start = 0
  for (let section = 0; section < wanted; section++) {
    const next = packed.indexOf(0, start)
    if (next < 0) return packed.subarray(0, 0)
    start = next + 1
  }
  const end = packed.indexOf(0, start)
  return packed.subarray(start, end < 0 ? packed.length : end)
}
