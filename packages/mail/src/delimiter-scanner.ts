// Finds the delimiter lines (RFC 2046 §5.1.1) of the multiparts that are open, innermost first, in one pass.
// Promises: never throws; each byte is searched once, however deep the parts nest; lines of any length.
// A line matches when it is exactly `--boundary` or `--boundary--`, apart from blanks after it, so that one boundary
// may begin with another.

export interface Delimiter {
  /** Offset of the first `-`. */
  start: number
  /** Offset after the line's end. */
  next: number
  /** Which of the open multiparts: 0 is the outermost. */
  level: number
  closing: boolean
}

const LF = 10
const CR = 13
const DASH = 45
const TAB = 9
const SPACE = 32
const newlineDashes = Buffer.from('\n--')
/** Blanks allowed after a delimiter before the line is no delimiter any more. */
const paddingMax = 256
/** Bytes looked at one by one before a native search is worth its call: many short lines may start with `--`. */
const nearBytes = 48

// FNV-1a: sorts out lines without making strings of them.
const hashStart = 0x811c9dc5 | 0
const hashPrime = 0x01000193

export class DelimiterScanner {
  private readonly buffer: Buffer
  private readonly open: string[] = []
  private readonly levels = new Map<string, number[]>()
  /** How many open boundaries have this hash. */
  private readonly hashes = new Map<number, number>()
  private longest = 0

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  /** @returns the level of the multipart now open */
  push(boundary: string): number {
    const level = this.open.length
    this.open.push(boundary)
    const levels = this.levels.get(boundary)
    if (levels === undefined) this.levels.set(boundary, [level])
    else levels.push(level)
    this.countHash(boundary, 1)
    this.longest = Math.max(this.longest, boundary.length)
    return level
  }

  pop(): void {
    const boundary = this.open.pop()
    if (boundary === undefined) return
    this.levels.get(boundary)?.pop()
    this.countHash(boundary, -1)
  }

  private countHash(boundary: string, change: number): void {
    let hash = hashStart
    for (let i = 0; i < boundary.length; i += 1) hash = Math.imul(hash ^ (boundary.charCodeAt(i) & 0xff), hashPrime)
    const count = (this.hashes.get(hash) ?? 0) + change
    if (count > 0) this.hashes.set(hash, count)
    else this.hashes.delete(hash)
  }

  /** The first delimiter line at or after `from`, which is the start of a line. */
  find(from: number): Delimiter | null {
    if (this.open.length === 0) return null
    const { buffer } = this
    const length = buffer.length
    let line = from
    if (line < length && (buffer[line] !== DASH || buffer[line + 1] !== DASH)) line = this.nextDashed(line)
    while (line >= 0 && line < length) {
      const found = this.matchLine(line)
      if (found !== null) return found
      line = this.nextDashed(line)
    }
    return null
  }

  private nextDashed(line: number): number {
    const { buffer } = this
    const near = Math.min(line + nearBytes, buffer.length - 2)
    for (let i = line; i < near; i += 1) {
      if (buffer[i] === LF && buffer[i + 1] === DASH && buffer[i + 2] === DASH) return i + 1
    }
    const index = buffer.indexOf(newlineDashes, Math.max(line, near))
    return index < 0 ? -1 : index + 1
  }

  /** The delimiter on the line at `start`, which begins with `--`; null where it is none of those open. */
  matchLine(start: number): Delimiter | null {
    const { buffer } = this
    const length = buffer.length
    const stop = Math.min(length, start + this.longest + 4 + paddingMax)
    let hash = hashStart
    let before = 0
    let beforeThat = 0
    // Of the line up to its last character that is no blank, and the same without two more.
    let whole = 0
    let shorter = 0
    let contentEnd = start + 2
    let position = start + 2
    for (; position < stop; position += 1) {
      const byte = buffer[position] ?? 0
      if (byte === LF) break
      beforeThat = before
      before = hash
      hash = Math.imul(hash ^ byte, hashPrime)
      if (byte === SPACE || byte === TAB || byte === CR) continue
      whole = hash
      shorter = beforeThat
      contentEnd = position + 1
    }
    if (position === stop && stop < length) return null
    if (!this.hashes.has(whole) && !this.hashes.has(shorter)) return null
    return this.confirm(start, contentEnd, position < length ? position + 1 : length)
  }

  private confirm(start: number, contentEnd: number, next: number): Delimiter | null {
    const text = this.buffer.toString('latin1', start + 2, contentEnd)
    const level = this.levelOf(text)
    const closingLevel = text.endsWith('--') ? this.levelOf(text.slice(0, -2)) : -1
    if (level < 0 && closingLevel < 0) return null
    return level > closingLevel
      ? { start, next, level, closing: false }
      : { start, next, level: closingLevel, closing: true }
  }

  private levelOf(boundary: string): number {
    return this.levels.get(boundary)?.at(-1) ?? -1
  }
}
