// The fields of a header as signatures see them (RFC 6376 §3.4): whole, in order, and brought to the form that was signed.
// A line that begins no field belongs to the one above it: so much more must match, and nothing can hide between two fields.

export interface LetterField {
  /** Lower case; '' where there is no name. */
  key: string
  /** With its name, lines joined by CR LF, without the last line end; bytes as latin1 characters. */
  text: string
}

/** RFC 5322 §2.2 ftext, and §4.5.8: white space before the colon, a folded one too. */
const fieldStart = /[!-9;-~]+[ \t\r]*(?:\r\n[ \t\r]*)?:/y
const notAscii = /[^\0-\x7f]/

export function letterFields(header: Buffer): LetterField[] {
  let text = header.toString('latin1')
  let end = text.length
  while (end > 0 && isLineEnd(text.charCodeAt(end - 1))) end--
  if (end === 0) return []
  text = text.slice(0, end)
  if (/(?:^|[^\r])\n/.test(text)) text = text.replace(/\r?\n/g, '\r\n')
  const fields: LetterField[] = []
  let start = 0
  for (let at = text.indexOf('\n') + 1; at > 0; at = text.indexOf('\n', at) + 1) {
    if (!isFieldStart(text, at)) continue
    fields.push(fieldOf(text.slice(start, at - 2)))
    start = at
  }
  fields.push(fieldOf(text.slice(start)))
  return fields
}

function isLineEnd(code: number): boolean {
  return code === 13 || code === 10
}

function isFieldStart(text: string, at: number): boolean {
  const first = text.charCodeAt(at)
  if (first === 32 || first === 9) return false
  fieldStart.lastIndex = at
  return fieldStart.test(text)
}

function fieldOf(text: string): LetterField {
  const colon = text.indexOf(':')
  const name = (colon < 0 ? text : text.slice(0, colon)).replaceAll('\r\n', '')
  return { key: lowerCase(withoutBlankEdges(name)), text }
}

/** Of ASCII letters only: in latin1 characters a byte of UTF-8 may look like a capital. */
export function lowerCase(text: string): string {
  return notAscii.test(text) ? text.replace(/[A-Z]+/g, (it) => it.toLowerCase()) : text.toLowerCase()
}

/** RFC 6376 §3.4.2, without the line end. */
export function relaxedField(text: string): string {
  const line = text.includes('\n') ? text.replaceAll('\r\n', '') : text
  const colon = line.indexOf(':')
  if (colon < 0) return withoutBlankEdges(withoutBlankRuns(line))
  const name = withoutBlankEdges(line.slice(0, colon))
  const value = withoutBlankEdges(line.slice(colon + 1))
  return `${lowerCase(withoutBlankRuns(name))}:${withoutBlankRuns(value)}`
}

function withoutBlankRuns(text: string): string {
  return text.includes('  ') || text.includes('\t') ? text.replace(/[ \t]+/g, ' ') : text
}

function withoutBlankEdges(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return end - start === text.length ? text : text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
