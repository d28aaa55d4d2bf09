// Address lists of header fields (RFC 5322 §3.4, §4.4) to envelope addresses, reading what can be read of broken ones.
// Promises: never throws; one pass, linear time: a bracket that does not close is an ordinary character, looked for once.
import { trimBlanks } from './blanks.ts'
import { decodeHeaderText } from './encoded-word.ts'
import { skipComment } from './parameters.ts'
import type { EnvelopeAddress } from './types.ts'
import { mailLimits } from './types.ts'

interface Word {
  text: string
  /** White space or a comment stands before it. */
  apart: boolean
}

interface AddrSpec {
  adl: string | null
  mailbox: string
  host: string
}

const at = '@'

/**
 * Addresses in order, at most `addressesPerFieldMax`. A group's start has its name as `mailbox` and a null host, its
 * end has both null (RFC 9051 §7.5.2). An address without a domain has host ''.
 * Names are decoded; `mailbox`, `host` and a group's name hold the characters that `value` has.
 * @param value unfolded; 8-bit bytes as latin1 characters, or Unicode
 */
export function parseAddressList(value: string): EnvelopeAddress[] {
  return new ListReader(value).read()
}

class ListReader {
  private readonly text: string
  private readonly out: EnvelopeAddress[] = []
  private position = 0
  private words: Word[] = []
  private hasAt = false
  private comment = ''
  private angle: AddrSpec | null = null
  private apart = false
  private inGroup = false
  /** From here on no quote, or no comment, closes. */
  private quotesUsable = true
  private commentsUsable = true
  private readonly lastSquare: number

  constructor(text: string) {
    this.text = text
    this.lastSquare = text.lastIndexOf(']')
  }

  read(): EnvelopeAddress[] {
    const length = this.text.length
    while (this.position < length && this.out.length < mailLimits.addressesPerFieldMax) this.step()
    this.finishAddress()
    if (this.inGroup) this.push({ name: null, adl: null, mailbox: null, host: null })
    return this.out
  }

  private push(address: EnvelopeAddress): void {
    if (this.out.length < mailLimits.addressesPerFieldMax) this.out.push(address)
  }

  private step(): void {
    const char = this.text[this.position] ?? ''
    switch (char) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
      case '>':
      case ')':
        this.apart = true
        this.position += 1
        return
      case ',':
        this.finishAddress()
        this.position += 1
        return
      case ';':
        this.finishAddress()
        if (this.inGroup) this.push({ name: null, adl: null, mailbox: null, host: null })
        this.inGroup = false
        this.position += 1
        return
      case ':':
        if (!this.startGroup()) this.readAtom()
        return
      case '@':
        this.hasAt = true
        this.addWord(at, this.position + 1)
        return
      case '<':
        this.readAngle()
        return
      case '(':
        if (!this.readComment()) this.readAtom()
        return
      case '"':
        if (!this.readQuoted()) this.readAtom()
        return
      default:
        this.readAtom()
    }
  }

  private addWord(text: string, next: number): void {
    this.words.push({ text, apart: this.apart })
    this.apart = false
    this.position = next
  }

  private startGroup(): boolean {
    if (this.inGroup || this.hasAt || this.angle !== null || this.words.length === 0) return false
    this.push({ name: null, adl: null, mailbox: phrase(this.words), host: null })
    this.inGroup = true
    this.resetAddress()
    this.position += 1
    return true
  }

  private readComment(): boolean {
    if (!this.commentsUsable) return false
    const after = skipComment(this.text, this.position)
    if (after < 0) {
      this.commentsUsable = false
      return false
    }
    if (this.comment === '') this.comment = this.text.slice(this.position + 1, after - 1).replace(/\\(.)/g, '$1')
    this.apart = true
    this.position = after
    return true
  }

  private readQuoted(): boolean {
    if (!this.quotesUsable) return false
    const quoted = quotedString(this.text, this.position)
    if (quoted === null) {
      this.quotesUsable = false
      return false
    }
    this.addWord(quoted.text, quoted.next)
    return true
  }

  private readAtom(): void {
    const start = this.position
    const text = this.text
    if (text[start] === '=' && text[start + 1] === '?') {
      // Encoded words hold commas and the like unencoded, though RFC 2047 §5 (3) forbids it.
      encodedWord.lastIndex = start
      const match = encodedWord.exec(text)
      if (match !== null) {
        this.addWord(match[0], start + match[0].length)
        return
      }
    }
    if (text[start] === '[' && start < this.lastSquare) {
      const close = text.indexOf(']', start)
      this.addWord(text.slice(start, close + 1), close + 1)
      return
    }
    let end = start + 1
    while (end < text.length && !isDelimiter(text.charCodeAt(end))) end += 1
    this.addWord(text.slice(start, end), end)
  }

  private readAngle(): void {
    const text = this.text
    let end = this.position + 1
    while (end < text.length) {
      const char = text[end]
      if (char === '>' || char === '<') break
      if (char === '"' && this.quotesUsable) {
        const quoted = quotedString(text, end)
        if (quoted === null) this.quotesUsable = false
        else {
          end = quoted.next
          continue
        }
      }
      end += 1
    }
    if (text[end] !== '>') {
      // It never closes: the next address may start after a comma.
      const comma = text.slice(this.position, end).indexOf(',')
      if (comma >= 0) end = this.position + comma
    }
    const inside = text.slice(this.position + 1, end)
    this.position = text[end] === '>' ? end + 1 : end
    const spec = angleAddress(inside)
    // The first one counts: `a <b> <c>` is an old trick to show one address and answer to another.
    if (this.angle === null) this.angle = spec
    this.apart = true
  }

  private finishAddress(): void {
    const { words, angle, comment } = this
    if (angle !== null) {
      const name = words.length > 0 ? phrase(words) : comment
      this.push({ name: name === '' ? null : decodeHeaderText(name), ...angle })
    } else if (words.length > 0) {
      const { spec, rest } = bareAddress(words)
      const name = rest.length > 0 ? phrase(rest) : comment
      this.push({ name: name === '' ? null : decodeHeaderText(name), ...spec })
    }
    this.resetAddress()
  }

  private resetAddress(): void {
    if (this.words.length > 0) this.words = []
    this.angle = null
    this.hasAt = false
    this.comment = ''
    this.apart = false
  }
}

const encodedWord = /=\?[^? \t\r\n]{1,128}\?[bBqQ]\?[^? \t\r\n]*\?=/y

/** White space and `"(),:;<>@[`. */
function isDelimiter(code: number): boolean {
  switch (code) {
    case 9:
    case 10:
    case 13:
    case 32:
    case 34:
    case 40:
    case 41:
    case 44:
    case 58:
    case 59:
    case 60:
    case 62:
    case 64:
    case 91:
      return true
    default:
      return false
  }
}

/** The quoted string that opens at `start`; null where it never closes. */
function quotedString(text: string, start: number): { text: string; next: number } | null {
  let content = ''
  let run = start + 1
  for (let i = run; i < text.length; i += 1) {
    const char = text[i]
    if (char === '"') return { text: content + text.slice(run, i), next: i + 1 }
    if (char === '\\') {
      content += text.slice(run, i)
      run = i + 1
      i += 1
    }
  }
  return null
}

function phrase(words: readonly Word[]): string {
  let text = ''
  for (const [index, word] of words.entries()) text += index > 0 && word.apart ? ` ${word.text}` : word.text
  return trimBlanks(text)
}

/** RFC 5322 §4.4: `@route,@route:local@domain`, also without its route or its domain. */
function angleAddress(inside: string): AddrSpec {
  let spec = trimBlanks(inside)
  let adl: string | null = null
  if (spec.startsWith('@')) {
    const colon = spec.indexOf(':')
    if (colon > 0) {
      adl = spec.slice(0, colon).replace(/[ \t\r\n]+/g, '')
      spec = trimBlanks(spec.slice(colon + 1))
    }
  }
  let split = spec.lastIndexOf('@')
  // The `@` may be inside the quotes of a local part that has no domain.
  if (split >= 0 && spec.endsWith('"') && spec.startsWith('"')) split = -1
  const local = split < 0 ? spec : spec.slice(0, split)
  const host = split < 0 ? '' : spec.slice(split + 1)
  return { adl, mailbox: localText(local), host: host.replace(/[ \t\r\n\0]+/g, '') }
}

function localText(local: string): string {
  const text = trimBlanks(local)
  if (!text.includes('"')) return text.split('.').map(trimBlanks).join('.')
  let out = ''
  for (let i = 0; i < text.length; i += 1) {
    const quoted = text[i] === '"' ? quotedString(text, i) : null
    if (text[i] === '"' && quoted === null) return out + text.slice(i)
    if (quoted === null) out += text[i] ?? ''
    else {
      out += quoted.text
      i = quoted.next - 1
    }
  }
  return out
}

/** An address without angle brackets: the words that touch the last `@`; those before it are a name. */
function bareAddress(words: readonly Word[]): { spec: AddrSpec; rest: readonly Word[] } {
  const split = words.findLastIndex((word) => word.text === at)
  if (split < 0) return { spec: { adl: null, mailbox: phrase(words), host: '' }, rest: [] }
  let first = split
  while (first > 0 && belongs(words, first - 1, first, split)) first -= 1
  let last = split
  while (last < words.length - 1 && belongs(words, last, last + 1, split)) last += 1
  const local = words.slice(first, split).map((word) => word.text)
  const host = words.slice(split + 1, last + 1).map((word) => word.text)
  const rest = [...words.slice(0, first), ...words.slice(last + 1)]
  return { spec: { adl: null, mailbox: local.join(''), host: host.join('') }, rest }
}

/** RFC 5322 §4.4 lets white space stand around `@` and `.`. */
function belongs(words: readonly Word[], left: number, right: number, split: number): boolean {
  if (left === split || right === split) return true
  const before = words[left]
  const after = words[right]
  if (before === undefined || after === undefined) return false
  return !after.apart || before.text.endsWith('.') || after.text.startsWith('.')
}
