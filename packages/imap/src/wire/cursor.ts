// Reads the arguments of one command from left to right (RFC 9051 §9). Each method takes what it names or
// throws SyntaxFault. Text comes as byte strings; `utf8Text` makes them Unicode.
import { parseImapDateTime } from '@skein/mail'
import type { CommandPart, StoredLiteral } from './literal.ts'
import { decodeMailboxName } from './mailbox-name.ts'
import { parsePartialRange } from './partial-range.ts'
import type { PartialRange } from './partial-range.ts'
import { parseSequenceSet } from './sequence-set.ts'
import type { SequenceSet } from './sequence-set.ts'
import { fault } from './syntax-error.ts'

const ATOM = /[^\x00-\x20\x7f-\xff(){%*"\\\]]+/y
const ASTRING_ATOM = /[^\x00-\x20\x7f-\xff(){%*"\\]+/y
const LIST_ATOM = /[^\x00-\x20\x7f-\xff(){"\\]+/y
const TAG = /[!#$&',-[\]-z|}~]+/y
const FLAG = /\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+/y
const SEQUENCE_SET = /[0-9*:,]+|\$/y
const NUMBER = /[0-9]+/y
const QUOTED = /"((?:[^"\\\r\n\0]|\\["\\])*)"/y
const ITEM = /[A-Za-z0-9.-]+/y
const PARTIAL_RANGE = /-?[0-9]+:-?[0-9]+/y
const BASE64_LINE = /[A-Za-z0-9+/=]+/y

export interface CursorOptions {
  nestingDepthMax: number
  /** Mailbox names are UTF-8 (RFC 6855, RFC 9051 §5.1). */
  utf8: boolean
}

export class Cursor {
  readonly #parts: readonly CommandPart[]
  readonly #options: CursorOptions
  #part = 0
  #at = 0
  #text: string
  #depth = 0

  constructor(parts: readonly CommandPart[], options: CursorOptions) {
    this.#parts = parts
    this.#options = options
    this.#text = typeof parts[0] === 'string' ? parts[0] : ''
  }

  get utf8(): boolean {
    return this.#options.utf8
  }

  /** Nothing follows. */
  get ended(): boolean {
    return this.#at === this.#text.length && this.#part >= this.#parts.length - 1
  }

  /** Leaves the rest unread. */
  skipAll(): void {
    this.#part = this.#parts.length
    this.#at = 0
    this.#text = ''
  }

  /** @throws SyntaxFault where something follows. */
  end(): void {
    if (!this.ended) fault('there is more than this command takes')
  }

  space(): void {
    if (!this.take(' ')) fault(this.ended ? 'arguments are missing' : 'a space is wanted')
  }

  /** Takes `char` if it comes next. */
  take(char: string): boolean {
    if (this.#text.charCodeAt(this.#at) !== char.charCodeAt(0)) return false
    this.#at++
    return true
  }

  /** Takes `text` if it comes next, in any case. */
  takeText(text: string): boolean {
    if (this.#text.slice(this.#at, this.#at + text.length).toUpperCase() !== text.toUpperCase()) return false
    this.#at += text.length
    return true
  }

  /** Whether `text` comes next. */
  seesText(text: string): boolean {
    return this.#text.startsWith(text, this.#at)
  }

  /** Takes `word` if it comes next and ends there. */
  takeWord(word: string): boolean {
    const after = this.#text.charCodeAt(this.#at + word.length)
    return (Number.isNaN(after) || after === 0x20) && this.takeText(word)
  }

  want(char: string): void {
    if (!this.take(char)) fault(`'${char}' is wanted`)
  }

  /** Whether `char` comes next. */
  sees(char: string): boolean {
    return this.#text.charCodeAt(this.#at) === char.charCodeAt(0)
  }

  #match(pattern: RegExp, what: string): string {
    const text = this.#tryMatch(pattern)
    return text ?? fault(this.ended ? `${what} is missing` : `${what} is wanted`)
  }

  #tryMatch(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match[0]
  }

  tag(): string {
    return this.#match(TAG, 'a tag')
  }

  atom(): string {
    return this.#match(ATOM, 'a word')
  }

  /** An atom in upper case: names of commands, items, options. */
  keyword(): string {
    return this.atom().toUpperCase()
  }

  /** An upper-case atom of letters, digits, `.` and `-`, up to something else such as `[`. */
  itemName(): string {
    return this.#match(ITEM, 'an item').toUpperCase()
  }

  number(): number {
    const value = Number(this.#match(NUMBER, 'a number'))
    return Number.isSafeInteger(value) ? value : fault('a number is out of range')
  }

  /** number64 or mod-sequence-value, up to 2^63-1; what is too large to tell apart is larger than all there is. */
  number63(): number {
    return Math.min(Number(this.bigint63()), Number.MAX_SAFE_INTEGER)
  }

  /** The same, exactly. */
  bigint63(): bigint {
    const value = BigInt(this.#match(/[0-9]{1,19}(?![0-9])/y, 'a number'))
    return value > 0x7fff_ffff_ffff_ffffn ? fault('a number is out of range') : value
  }

  nonZeroNumber(): number {
    return this.number() || fault('zero is not allowed here')
  }

  sequenceSet(): SequenceSet {
    return parseSequenceSet(this.#match(SEQUENCE_SET, 'a set of message numbers'))
  }

  /** `1:100` or `-1:-100` (RFC 9394). */
  partialRange(): PartialRange {
    return parsePartialRange(this.#match(PARTIAL_RANGE, 'a range like 1:100 or -1:-100'))
  }

  /** Whether a sequence set comes next (a SEARCH key may be one). */
  seesSequenceSet(): boolean {
    const code = this.#text.charCodeAt(this.#at)
    return (code >= 0x30 && code <= 0x39) || code === 0x2a || code === 0x24
  }

  flag(): string {
    return this.#match(FLAG, 'a flag')
  }

  /** `(` elements parted by single spaces `)`; may be empty where `orEmpty`. */
  list<Element>(element: () => Element, orEmpty = false): Element[] {
    this.want('(')
    if (++this.#depth > this.#options.nestingDepthMax) fault('parentheses are nested too deeply')
    const elements: Element[] = []
    if (!(orEmpty && this.sees(')'))) {
      do elements.push(element())
      while (this.take(' '))
    }
    this.want(')')
    this.#depth--
    return elements
  }

  /** Counts one more level of nesting while `inner` runs. */
  nested<Result>(inner: () => Result): Result {
    if (++this.#depth > this.#options.nestingDepthMax) fault('the command is nested too deeply')
    const result = inner()
    this.#depth--
    return result
  }

  /** string: quoted or literal. */
  string(): string {
    return this.#tryString() ?? fault(this.ended ? 'a string is missing' : 'a string is wanted')
  }

  astring(): string {
    return this.#tryString() ?? this.#match(ASTRING_ATOM, 'a string')
  }

  nstring(): string | null {
    const text = this.#tryString()
    if (text !== undefined) return text
    return this.keyword() === 'NIL' ? null : fault('a string or NIL is wanted')
  }

  /** What LIST takes: an astring that may hold `%` and `*`; as Unicode. */
  listPattern(): string {
    return this.#decodeName(this.#tryString() ?? this.#match(LIST_ATOM, 'a mailbox pattern'))
  }

  /** A mailbox name as Unicode. */
  mailbox(): string {
    return this.#decodeName(this.astring())
  }

  /** An astring as Unicode, read as UTF-8. @throws SyntaxFault where it is not UTF-8. */
  utf8Text(): string {
    return decodeUtf8(this.astring())
  }

  dateTime(): number {
    return parseImapDateTime(this.string()) ?? fault('a date-time like " 1-Feb-2024 21:52:25 +0000" is wanted')
  }

  /** A SASL answer within a command line: base64 or `=`. */
  base64(): string {
    return this.#match(BASE64_LINE, 'a base64 text')
  }

  /** A message that went to the message log as it came. */
  message(): StoredLiteral {
    const literal = this.#literal()
    if (literal === undefined) fault(this.ended ? 'a message literal is missing' : 'a message literal is wanted')
    if (literal.kind !== 'stored') fault('a message literal is wanted')
    this.#passLiteral()
    return literal
  }

  /** Whether everything so far is read and a literal was announced next: how an unfinished command is looked at. */
  get awaitsLiteral(): boolean {
    return this.#at === this.#text.length && this.#part === this.#parts.length - 1
  }

  /** Whether a message literal comes next. */
  get seesMessage(): boolean {
    return this.#literal()?.kind === 'stored'
  }

  #literal(): Exclude<CommandPart, string> | undefined {
    if (this.#at < this.#text.length) return undefined
    const next = this.#parts[this.#part + 1]
    return typeof next === 'object' ? next : undefined
  }

  #passLiteral(): void {
    const after = this.#parts[this.#part + 2]
    this.#part += typeof after === 'string' ? 2 : 1
    this.#text = typeof after === 'string' ? after : ''
    this.#at = 0
  }

  #tryString(): string | undefined {
    if (this.sees('"')) {
      const quoted = this.#match(QUOTED, 'a well-formed quoted string')
      // RFC 9051 §9 QUOTED-CHAR: UTF-8 is read whether or not the client has enabled that it is sent any.
      if (/[\x80-\xff]/.test(quoted)) decodeUtf8(quoted)
      const inner = quoted.slice(1, -1)
      return inner.includes('\\') ? inner.replaceAll(/\\(.)/g, '$1') : inner
    }
    const literal = this.#literal()
    if (literal?.kind !== 'held') return undefined
    if (!literal.binary && literal.bytes.includes(0)) fault('a literal with NUL must be announced as ~{n}')
    this.#passLiteral()
    return literal.bytes.toString('latin1')
  }

  #decodeName(bytes: string): string {
    const text = decodeUtf8(bytes)
    return this.utf8 ? text : decodeMailboxName(text)
  }
}

/** @throws SyntaxFault where the bytes are not UTF-8. */
export function decodeUtf8(bytes: string): string {
  if (!/[\x80-\xff]/.test(bytes)) return bytes
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return fault('the text is not well-formed UTF-8')
  }
}
