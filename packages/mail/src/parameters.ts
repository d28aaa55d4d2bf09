// Parameters of MIME fields (RFC 2045 §5.1) with RFC 2231 continuations, charsets and languages, read leniently:
// unquoted values with blanks, missing semicolons' ends, RFC 2047 words where they do not belong.
// Promises: never throws; linear time.
import { trimBlanks } from './blanks.ts'
import { decodeText } from './charset.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { mailLimits } from './types.ts'

export interface Parameterised {
  /** The part before the first `;`, comments and outer white space removed, letter case as written. */
  value: string
  /** Lower-case names; values unquoted, joined (RFC 2231), decoded to Unicode where the charset is known. */
  parameters: Record<string, string>
}

export interface RawParameter {
  /** Lower case, with any RFC 2231 asterisks. */
  name: string
  /** Unquoted, nothing decoded. */
  value: string
}

/** As written, before RFC 2231 joining. */
export function splitParameters(text: string): { value: string; raw: RawParameter[] } {
  const raw: RawParameter[] = []
  const comments = { usable: true }
  const head = readValue(text, 0, comments)
  let position = head.next
  while (position < text.length) {
    // On a ';' here.
    const nameStart = position + 1
    let end = nameStart
    while (end < text.length && text[end] !== '=' && text[end] !== ';') end += 1
    if (text[end] !== '=') {
      position = end
      continue
    }
    const name = trimBlanks(stripComments(text.slice(nameStart, end))).toLowerCase()
    const read = readValue(text, end + 1, comments)
    if (name !== '' && name !== '__proto__' && raw.length < mailLimits.parametersPerFieldMax)
      raw.push({ name, value: read.value })
    position = read.next
  }
  return { value: head.value, raw }
}

/** Reads up to the next `;` outside quotes and comments. `next` is its index, or the text's length. */
function readValue(text: string, start: number, comments: { usable: boolean }): { value: string; next: number } {
  let value = ''
  let run = start
  let position = start
  let quotedLast = false
  const length = text.length
  while (position < length) {
    const char = text[position]
    if (char === ';') break
    if (char === '"') {
      const before = text.slice(run, position)
      const quoted = readQuoted(text, position + 1)
      value += (trimBlanks(before) === '' ? '' : before) + quoted.value
      position = quoted.next
      run = position
      quotedLast = true
      continue
    }
    if (char === '(' && comments.usable && (position === start || isBlank(text[position - 1]))) {
      const after = skipComment(text, position)
      // One that never closes is looked for once: linear time.
      comments.usable = after > 0
      if (after > 0) {
        value += text.slice(run, position)
        position = after
        run = position
        continue
      }
    }
    position += 1
  }
  const rest = text.slice(run, position)
  if (quotedLast && trimBlanks(rest) === '') return { value, next: position }
  return { value: trimBlanks(value + rest), next: position }
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\t'
}

function readQuoted(text: string, start: number): { value: string; next: number } {
  let value = ''
  let run = start
  let position = start
  while (position < text.length) {
    const char = text[position]
    if (char === '"') return { value: value + text.slice(run, position), next: position + 1 }
    if (char === '\\' && position + 1 < text.length) {
      value += text.slice(run, position)
      run = position + 1
      position += 2
      continue
    }
    position += 1
  }
  return { value: value + text.slice(run), next: text.length }
}

/** Index after the comment that opens at `start` (they nest), or -1 where it never closes. */
export function skipComment(text: string, start: number): number {
  let depth = 0
  for (let position = start; position < text.length; position += 1) {
    const char = text[position]
    if (char === '\\') position += 1
    else if (char === '(') depth += 1
    else if (char === ')') {
      depth -= 1
      if (depth === 0) return position + 1
    }
  }
  return -1
}

/** Text without its comments; quoted strings are left as they are. */
export function stripComments(text: string): string {
  if (!text.includes('(')) return text
  let out = ''
  let run = 0
  let position = 0
  while (position < text.length) {
    const char = text[position]
    if (char === '"') {
      position = readQuoted(text, position + 1).next
      continue
    }
    if (char === '(') {
      const after = skipComment(text, position)
      if (after < 0) break
      out += `${text.slice(run, position)} `
      position = after
      run = after
      continue
    }
    position += 1
  }
  return out + text.slice(run)
}

interface Piece {
  index: number
  value: string
  encoded: boolean
}

/** Reads `value; name=value; …` as in Content-Type and Content-Disposition. */
export function parseParameterised(text: string): Parameterised {
  const { value, raw } = splitParameters(text)
  return { value, parameters: joinParameters(raw) }
}

/** RFC 2231 §3, §4; the extended form wins over the plain one, the first of two equals wins. */
export function joinParameters(raw: readonly RawParameter[]): Record<string, string> {
  const parameters: Record<string, string> = {}
  let pieces: Map<string, Piece[]> | undefined
  for (const { name, value } of raw) {
    const match = name.includes('*') ? /^([^*]+)(?:\*(\d{1,6}))?(\*)?$/.exec(name) : null
    if (match === null) {
      if (!Object.hasOwn(parameters, name)) parameters[name] = decodeHeaderText(value)
      continue
    }
    const base = match[1] ?? ''
    if (base === '__proto__') continue
    pieces ??= new Map()
    const list = pieces.get(base) ?? []
    if (list.length === 0) pieces.set(base, list)
    list.push({ index: Number(match[2] ?? 0), value, encoded: match[3] === '*' })
  }
  if (pieces !== undefined) {
    for (const [name, list] of pieces) parameters[name] = joinPieces(list)
  }
  return parameters
}

function joinPieces(list: Piece[]): string {
  list.sort((a, b) => a.index - b.index)
  let charset: string | null = null
  const chunks: Buffer[] = []
  let expected: number | undefined
  let encodedSeen = false
  for (const piece of list) {
    if (expected !== undefined && piece.index < expected) continue
    expected = piece.index + 1
    let value = piece.value
    if (piece.encoded) {
      encodedSeen = true
      const marks = chunks.length === 0 ? /^([^']{0,64})'[^']*'/.exec(value) : null
      if (marks !== null) {
        charset = marks[1] === undefined || marks[1] === '' ? null : marks[1]
        value = value.slice(marks[0].length)
      }
      chunks.push(percentDecode(value))
    } else chunks.push(textBytes(value))
  }
  const bytes = Buffer.concat(chunks)
  return encodedSeen ? decodeText(bytes, charset) : decodeHeaderText(bytes.toString('latin1'))
}

function percentDecode(text: string): Buffer {
  if (!text.includes('%')) return textBytes(text)
  return Buffer.from(
    textBytes(text)
      .toString('latin1')
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}

/** Header text holds bytes as latin1 characters; text from elsewhere may be Unicode already. */
function textBytes(text: string): Buffer {
  return /[^\u0000-\u00ff]/.test(text) ? Buffer.from(text, 'utf8') : Buffer.from(text, 'latin1')
}
