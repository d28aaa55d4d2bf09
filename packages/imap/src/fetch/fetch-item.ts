// FETCH's data items (RFC 9051 §6.4.5) as values, read from the command.
import type { Cursor } from '../wire/cursor.ts'
import { formatString } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'

export interface Section {
  /** Part numbers from the root; empty for the message itself. */
  part: readonly number[]
  what: 'all' | 'header' | 'fields' | 'other-fields' | 'text' | 'mime'
  /** Lower-case names for `fields` and `other-fields`. */
  fields: readonly string[]
}

/** Items that need nothing but the message's record. */
export type RecordItem =
  | 'FLAGS'
  | 'UID'
  | 'INTERNALDATE'
  | 'RFC822.SIZE'
  | 'MODSEQ'
  | 'EMAILID'
  | 'THREADID'
  | 'SAVEDATE'

/** Items made from what was parsed at delivery. */
export type IndexItem = 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE' | 'PREVIEW'

/** `<start.count>` */
export interface NamedPartial {
  start: number
  count: number
  /** The start as the client wrote it, and as the answer repeats it. */
  origin: string
}

export interface SectionItem {
  kind: 'section'
  /** As the answer names it, without the partial. */
  label: string
  section: Section
  partial: NamedPartial | undefined
  /** Fetching it sets \Seen. */
  setsSeen: boolean
}

/** A part without its transfer encoding (RFC 3516 §4.2). */
export interface BinaryItem {
  kind: 'binary'
  label: string
  part: readonly number[]
  partial: NamedPartial | undefined
  setsSeen: boolean
}

/** How many bytes that would be. */
export interface BinarySizeItem {
  kind: 'binary-size'
  label: string
  part: readonly number[]
}

export type FetchItem =
  | { kind: 'record'; name: RecordItem }
  | { kind: 'index'; name: IndexItem }
  | SectionItem
  | BinaryItem
  | BinarySizeItem

const recordItems: readonly string[] = [
  'FLAGS',
  'UID',
  'INTERNALDATE',
  'RFC822.SIZE',
  'MODSEQ',
  'EMAILID',
  'THREADID',
  'SAVEDATE',
]

const indexItems: readonly string[] = ['ENVELOPE', 'BODYSTRUCTURE']

const record = (name: RecordItem): FetchItem => ({ kind: 'record', name })

const fast = [record('FLAGS'), record('INTERNALDATE'), record('RFC822.SIZE')]
const all: FetchItem[] = [...fast, { kind: 'index', name: 'ENVELOPE' }]

/** Stand alone, never in a list (RFC 9051 §6.4.5). */
const macros: Readonly<Record<string, readonly FetchItem[]>> = {
  FAST: fast,
  ALL: all,
  FULL: [...all, { kind: 'index', name: 'BODY' }],
}

const whole = (what: Section['what']): Section => ({ part: [], what, fields: [] })

/** The names of RFC 3501 for what BODY[] gives too. */
const oldNames: Readonly<Record<string, { section: Section; setsSeen: boolean }>> = {
  RFC822: { section: whole('all'), setsSeen: true },
  'RFC822.HEADER': { section: whole('header'), setsSeen: false },
  'RFC822.TEXT': { section: whole('text'), setsSeen: true },
}

/** Parts in one section number: deeper ones do not exist. */
const PART_DEPTH_MAX = 128

function parsePart(name: string): { part: number[]; rest: string } {
  const part: number[] = []
  let rest = name
  for (let match = /^(\d+)(?:\.|$)/.exec(rest); match !== null; match = /^(\d+)(?:\.|$)/.exec(rest)) {
    const number = Number(match[1])
    if (number === 0 || part.length === PART_DEPTH_MAX) fault('there is no such part')
    part.push(Math.min(number, Number.MAX_SAFE_INTEGER))
    rest = rest.slice(match[0].length)
    if (rest === '' && match[0].endsWith('.')) fault('a section is malformed')
  }
  return { part, rest }
}

const sectionTexts: Readonly<Record<string, Section['what']>> = {
  '': 'all',
  HEADER: 'header',
  'HEADER.FIELDS': 'fields',
  'HEADER.FIELDS.NOT': 'other-fields',
  TEXT: 'text',
  MIME: 'mime',
}

/** `[1.2.MIME]`, with what a FETCH answer calls it. */
export function parseSection(cursor: Cursor): { section: Section; label: string } {
  cursor.want('[')
  if (cursor.take(']')) return { section: whole('all'), label: 'BODY[]' }
  const name = cursor.itemName()
  const { part, rest } = parsePart(name)
  const what = Object.hasOwn(sectionTexts, rest) ? sectionTexts[rest] : undefined
  if (what === undefined || (what === 'mime' && part.length === 0)) fault('there is no such section')
  let fields: string[] = []
  let label = `BODY[${name}`
  if (what === 'fields' || what === 'other-fields') {
    cursor.space()
    fields = cursor.list(() => cursor.astring())
    label += ` (${fields.map((field) => (/^[!#$&'+-[\]-z|}~]+$/.test(field) ? field : formatString(field))).join(' ')})`
  }
  cursor.want(']')
  const section = { part, what, fields: fields.map((field) => field.toLowerCase()) }
  return { section, label: `${label}]` }
}

/** RFC 9051 §9 partial: both are number64. */
function parsePartial(cursor: Cursor): NamedPartial | undefined {
  if (!cursor.take('<')) return undefined
  const start = cursor.bigint63()
  cursor.want('.')
  const count = cursor.number63()
  if (count === 0) fault('zero is not allowed here')
  cursor.want('>')
  return { start: Math.min(Number(start), Number.MAX_SAFE_INTEGER), count, origin: String(start) }
}

/** `[1.2]` or `[]` */
function parseBinary(cursor: Cursor, name: string): BinaryItem | BinarySizeItem {
  cursor.want('[')
  const numbers = cursor.sees(']') ? '' : cursor.itemName()
  const { part, rest } = parsePart(numbers)
  if (rest !== '') fault('there is no such section')
  cursor.want(']')
  if (name === 'BINARY.SIZE') return { kind: 'binary-size', label: `${name}[${numbers}]`, part }
  const label = `BINARY[${numbers}]`
  return { kind: 'binary', label, part, partial: parsePartial(cursor), setsSeen: name === 'BINARY' }
}

function parseItem(cursor: Cursor): FetchItem {
  const name = cursor.itemName()
  if (recordItems.includes(name)) return record(name as RecordItem)
  if (indexItems.includes(name)) return { kind: 'index', name: name as IndexItem }
  if (name === 'PREVIEW') {
    // RFC 8970 §3.1: made at delivery, so there is nothing to be lazy about.
    cursor.takeText(' (LAZY)')
    return { kind: 'index', name }
  }
  if (name === 'BODY' && !cursor.sees('[')) return { kind: 'index', name }
  if (name === 'BODY' || name === 'BODY.PEEK') {
    const { section, label } = parseSection(cursor)
    return { kind: 'section', label, section, partial: parsePartial(cursor), setsSeen: name === 'BODY' }
  }
  if (name === 'BINARY' || name === 'BINARY.PEEK' || name === 'BINARY.SIZE') return parseBinary(cursor, name)
  const old = Object.hasOwn(oldNames, name) ? oldNames[name] : undefined
  if (old === undefined) fault('there is no such item')
  return { kind: 'section', label: name, section: old.section, partial: undefined, setsSeen: old.setsSeen }
}

/** One item, a macro, or a list of items; each that stands twice counts once. */
export function parseItems(cursor: Cursor): readonly FetchItem[] {
  if (cursor.sees('(')) {
    const items = cursor.list(() => parseItem(cursor))
    return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()]
  }
  for (const [name, items] of Object.entries(macros)) if (cursor.takeWord(name)) return items
  return [parseItem(cursor)]
}
