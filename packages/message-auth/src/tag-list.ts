// Tag lists (RFC 6376 §3.2), as signatures are written.
import { lowerCase } from './letter-fields.ts'

export interface TagList {
  /** By name, case-sensitive; folds in values are one space, in those of b=, bh= and h= nothing. Of a repeated one the last. */
  tags: ReadonlyMap<string, string>
  /** The whole list follows the grammar, each name once. */
  isValid: boolean
}

const tagName = /^[A-Za-z][A-Za-z0-9_]*$/
const spaceless: ReadonlySet<string> = new Set(['b', 'bh', 'h'])

export function readTagList(text: string): TagList {
  const tags = new Map<string, string>()
  const seen = new Set<string>()
  const parts = text.trim().split(';')
  let isValid = true
  for (const [index, part] of parts.entries()) {
    const equals = part.indexOf('=')
    if (equals < 0) {
      // One semicolon may stand at the end.
      if (index < parts.length - 1 || parts.length === 1 || withoutFolds(part) !== '') isValid = false
      continue
    }
    const name = withoutFolds(part.slice(0, equals))
    if (!tagName.test(name) || seen.has(name)) isValid = false
    seen.add(name)
    const key = oneSpace(name)
    const value = part.slice(equals + 1)
    tags.set(key, spaceless.has(key) ? value.replace(/\s+/g, '') : oneSpace(value))
  }
  return { tags, isValid }
}

/** Lower-case names of an h= (RFC 6376 §3.5). */
export function fieldNames(value: string): string[] {
  return value
    .split(':')
    .map(lowerCase)
    .filter((it) => it !== '')
}

/** The field with its b= as if it were empty (RFC 6376 §3.7): the very one that `readTagList` takes. */
export function withoutSignature(field: string): string {
  const colon = field.indexOf(':')
  const parts = field.slice(colon + 1).split(';')
  const at = parts.findLastIndex((part) => {
    const equals = part.indexOf('=')
    return equals >= 0 && oneSpace(asUtf8(part.slice(0, equals))) === 'b'
  })
  const part = parts[at]
  if (part !== undefined) parts[at] = part.slice(0, part.indexOf('=') + 1)
  return field.slice(0, colon + 1) + parts.join(';')
}

/** Latin1 characters that stand for bytes, as the text that these are. */
export function asUtf8(text: string): string {
  return /[^\0-\x7f]/.test(text) ? Buffer.from(text, 'latin1').toString('utf8') : text
}

function withoutFolds(text: string): string {
  return text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
}

function oneSpace(text: string): string {
  return (/\s/.test(text) ? text.replace(/\s+/g, ' ') : text).trim()
}
