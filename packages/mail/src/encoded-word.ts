// Encoded words (RFC 2047): `=?charset?B?…?=` to text and back.
// Promises: never throws; linear time; what is no proper encoded word stays as it is.
import { decodeText } from './charset.ts'
import { decodeTransfer } from './transfer-encoding.ts'

// RFC 2047 §2, RFC 2231 §5 (language after '*'). Blanks inside Q text are wrong and common.
const encodedWord = /=\?([^?\s*]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]*)\?=/g

/** Unicode text in, with its encoded words decoded. Neighbours in one charset are joined as bytes, then decoded. */
export function decodeWords(text: string): string {
  if (!text.includes('=?')) return text
  let out = ''
  let end = 0
  let charset = ''
  let chunks: Uint8Array[] = []
  for (const match of text.matchAll(encodedWord)) {
    const between = text.slice(end, match.index)
    const wordCharset = (match[1] ?? '').toLowerCase()
    // RFC 2047 §6.2: white space between two encoded words is not shown.
    const joined = chunks.length > 0 && isWhite(between)
    if (!joined || wordCharset !== charset) {
      if (chunks.length > 0) out += decodeText(Buffer.concat(chunks), charset)
      chunks = []
      if (!joined) out += between
    }
    charset = wordCharset
    chunks.push((match[2] ?? '').toLowerCase() === 'b' ? base64Bytes(match[3] ?? '') : quotedBytes(match[3] ?? ''))
    end = match.index + match[0].length
  }
  if (chunks.length > 0) out += decodeText(Buffer.concat(chunks), charset)
  return out + text.slice(end)
}

/** One line of Unicode from a field whose bytes stand as latin1 characters (or that is Unicode): 8-bit text and words. */
export function decodeHeaderText(text: string): string {
  let unicode = text
  if (/[\u0080-\u00ff]/.test(text) && !/[^\u0000-\u00ff]/.test(text)) {
    unicode = decodeText(Buffer.from(text, 'latin1'), null)
  }
  const decoded = decodeWords(unicode)
  // What was encoded may hold line ends: a decoded name or subject is one line.
  return controls.test(decoded) ? decoded.replace(/[\u0000-\u0008\u000a-\u001f\u007f]+/g, ' ') : decoded
}

const controls = /[\u0000-\u0008\u000a-\u001f\u007f]/

function isWhite(text: string): boolean {
  return /^[ \t\r\n]*$/.test(text)
}

function base64Bytes(text: string): Uint8Array {
  return decodeTransfer(Buffer.from(text, 'latin1'), 'base64')
}

function quotedBytes(text: string): Buffer {
  const latin = text
    .replaceAll('_', ' ')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return /[^\u0000-\u00ff]/.test(latin) ? Buffer.from(latin, 'utf8') : Buffer.from(latin, 'latin1')
}

/** RFC 2047 §2: at most 75 characters a word; `=?utf-8?B?` and `?=` take 12. */
const wordCharactersMax = 75
const payloadMax = wordCharactersMax - 12

/**
 * Text for a header: as it is where it is plain ASCII, else with the words that need it encoded as UTF-8, none longer
 * than 75 characters, single spaces between them, so that it can be folded at any space. Control characters become spaces.
 */
export function encodeWords(text: string): string {
  const clean = text.toWellFormed().replace(/[\u0000-\u001f\u007f]+/g, ' ')
  if (!needsEncoding(clean) && clean === clean.trim()) return clean
  const words = clean.split(' ')
  let first = 0
  let last = words.length - 1
  while (first < last && isPlainWord(words[first])) first += 1
  while (last > first && isPlainWord(words[last])) last -= 1
  // Blanks at either end are kept by the word that they are encoded with.
  while (words[last] === '' && last < words.length - 1) last += 1
  while (words[first] === '' && first > 0) first -= 1
  const middle = encodeSpan(words.slice(first, last + 1).join(' '))
  return [...words.slice(0, first), middle, ...words.slice(last + 1)].join(' ')
}

function needsEncoding(text: string): boolean {
  return text.includes('=?') || /[^\u0020-\u007e]/.test(text) || /[^ ]{900}/.test(text)
}

function isPlainWord(word: string | undefined): boolean {
  return word !== undefined && word !== '' && !needsEncoding(word)
}

/** All of the text as encoded words, for places where a plain word beside them would be misread. */
export function encodeSpan(text: string): string {
  const bytes = Buffer.byteLength(text)
  const quoted = quotedLength(text)
  // Text that is mostly ASCII stays readable, at some cost in length.
  return quoted <= bytes * 2 ? encodeQuoted(text) : encodeBase64(text)
}

function encodeBase64(text: string): string {
  const out: string[] = []
  // 45 bytes make 60 characters; a character is never split over two words (RFC 2047 §5).
  const bytesMax = Math.floor(payloadMax / 4) * 3
  let chunk = ''
  let size = 0
  for (const character of text) {
    const bytes = Buffer.byteLength(character)
    if (size + bytes > bytesMax) {
      out.push(`=?utf-8?B?${Buffer.from(chunk).toString('base64')}?=`)
      chunk = ''
      size = 0
    }
    chunk += character
    size += bytes
  }
  if (chunk !== '') out.push(`=?utf-8?B?${Buffer.from(chunk).toString('base64')}?=`)
  return out.join(' ')
}

// RFC 2047 §5 (3): safe in a phrase too.
const quotedSafe = /[A-Za-z0-9!*+\-/]/

function quotedCharacter(character: string): string {
  if (character === ' ') return '_'
  if (quotedSafe.test(character) && character.length === 1) return character
  let out = ''
  for (const byte of Buffer.from(character)) out += `=${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
  return out
}

function quotedLength(text: string): number {
  let length = 0
  for (const character of text) {
    length += character === ' ' || quotedSafe.test(character) ? 1 : 3 * Buffer.byteLength(character)
  }
  return length
}

function encodeQuoted(text: string): string {
  const out: string[] = []
  let chunk = ''
  for (const character of text) {
    const coded = quotedCharacter(character)
    if (chunk.length + coded.length > payloadMax) {
      out.push(`=?utf-8?Q?${chunk}?=`)
      chunk = ''
    }
    chunk += coded
  }
  if (chunk !== '') out.push(`=?utf-8?Q?${chunk}?=`)
  return out.join(' ')
}
