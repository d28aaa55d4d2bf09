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
/** Blanks allowed after a delimiter before the line is no delimiter any more. */
const paddingMax = 256

export class DelimiterScanner {
  private readonly buffer: Buffer
  private readonly open: string[] = []
  private readonly levels = new Map<string, number[]>()
  /** How many open boundaries start with this byte: most lines that start with `--` are sorted out by it. */
  private firstBytes: Uint16Array | null = null
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
    this.firstBytes ??= new Uint16Array(256)
    this.countFirst(boundary, 1)
    this.longest = Math.max(this.longest, boundary.length)
    return level
  }

  pop(): void {
    const boundary = this.open.pop()
    if (boundary === undefined) return
    this.levels.get(boundary)?.pop()
    this.countFirst(boundary, -1)
  }

  private countFirst(boundary: string, change: number): void {
    const byte = boundary.charCodeAt(0) & 0xff
    if (this.firstBytes !== null) this.firstBytes[byte] = (this.firstBytes[byte] ?? 0) + change
  }

  /** The first delimiter line at or after `from`, which is the start of a line. */
  find(from: number): Delimiter | null {
    if (this.open.length === 0) return null
    const { buffer } = this
    const length = buffer.length
    let line = from
    if (line < length && (buffer[line] !== DASH || buffer[line + 1] !== DASH)) {
      line = this.nextDashed(line)
    }
    while (line >= 0 && line < length) {
      const found = this.matchLine(line)
      if (found !== null) return found
      line = this.nextDashed(line)
    }
    return null
  }

  private nextDashed(line: number): number {
    const index = this.buffer.indexOf('\n--', line, 'latin1')
    return index < 0 ? -1 : index + 1
  }

  /** The delimiter on the line at `start`, which begins with `--`; null where it is none of those open. */
  matchLine(start: number): Delimiter | null {
    const { buffer } = this
    const first = buffer[start + 2]
    if (first === undefined || !this.firstBytes?.[first]) return null
    const length = buffer.length
    const stop = Math.min(length, start + this.longest + 4 + paddingMax)
    let end = start + 2
    while (end < stop && buffer[end] !== LF) end += 1
    if (end === stop && stop < length) return null
    const next = end < length ? end + 1 : length
    while (end > start && isPadding(buffer[end - 1])) end -= 1
    const text = buffer.toString('latin1', start + 2, end)
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

function isPadding(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === CR
}
