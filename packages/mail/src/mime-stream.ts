// A message cut into headers, bodies and what stands between them while it comes in, a piece at a time (RFC 2045, RFC 2046).
// Promises: never throws; the bytes given out are the bytes that came, in their order; any chunking gives the same cuts; holds no more
// than one header, or one line that may be a delimiter. The line break before a delimiter belongs to it (RFC 2046 §5.1.1).
import { asBuffer } from './byte-view.ts'
import { trimBlanksEnd } from './blanks.ts'
import { type HeaderField, scanHeaderText, unfold } from './header.ts'
import { joinParameters, splitParameters, stripComments } from './parameters.ts'
import { mailLimits } from './types.ts'

export interface MimeEntity {
  /** Lower case; by default text/plain, or message/rfc822 in a digest. */
  type: string
  subtype: string
  /** Lower case; '7bit' where there is none. */
  encoding: string
  /** The header of a message, not only of a part of one. */
  isMessage: boolean
  fields: readonly HeaderField[]
}

export interface MimeStreamEvents {
  /** A whole header with the blank line behind it, where it has one. */
  header(bytes: Buffer, entity: MimeEntity): void
  /** A piece of the body of an entity that has no others in it. */
  body(bytes: Buffer): void
  /** That body is over. */
  bodyEnd(): void
  /** An entity with others in it is over. */
  compositeEnd(): void
  /** Delimiters, preambles, epilogues. */
  between(bytes: Buffer): void
}

interface Composite {
  /** Null for an enclosed message, which ends where whatever is around it does. */
  boundary: string | null
  isDigest: boolean
  isOver: boolean
}

const LF = 10
const CR = 13
const DASH = 45
/** Longer lines are no delimiters. */
const delimiterBytesMax = 1024
const nothing = Buffer.alloc(0)

export class MimeStream {
  readonly #events: MimeStreamEvents
  readonly #open: Composite[] = []
  #state: 'header' | 'body' | 'between' = 'header'
  #isMessage = true
  #pending: Buffer = nothing
  #header: Buffer[] = []
  #headerBytes = 0
  #isLineStart = true
  /** The line break that may belong to a delimiter. */
  #held: Buffer = nothing

  constructor(events: MimeStreamEvents) {
    this.#events = events
  }

  push(chunk: Uint8Array): void {
    this.#pending = this.#pending.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#pending, chunk])
    this.#run(false)
    // A copy: whoever gave the chunk may use its memory again.
    this.#pending = Buffer.from(this.#pending)
  }

  end(): void {
    this.#run(true)
    if (this.#state !== 'header') this.#giveHeld()
    while (this.#state === 'header') this.#headerOver()
    if (this.#state === 'body') this.#events.bodyEnd()
    for (let left = this.#open.length; left > 0; left--) this.#events.compositeEnd()
    this.#open.length = 0
  }

  #run(isEnd: boolean): void {
    const bytes = this.#pending
    let at = 0
    while (at < bytes.length) {
      const lf = bytes.indexOf(LF, at)
      const lineEnd = lf < 0 ? bytes.length : lf + 1
      const isWhole = lf >= 0 || isEnd
      if (this.#isLineStart && (this.#state === 'header' || mayBeDelimiter(bytes, at))) {
        if (!isWhole && lineEnd - at <= this.#waitBytesMax()) break
        const line = bytes.subarray(at, lineEnd)
        if (this.#line(line)) {
          at = lineEnd
          continue
        }
      }
      // A CR at the end of what came may be half of a line break.
      const cut = !isWhole && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
      if (cut === at) break
      this.#text(bytes.subarray(at, cut), lf >= 0)
      at = cut
    }
    this.#pending = bytes.subarray(at)
  }

  /** How long to wait for a line's end before it is taken as it is. */
  #waitBytesMax(): number {
    return this.#state === 'header' ? mailLimits.convertedHeaderBytesMax : delimiterBytesMax
  }

  /** A line from its start: true where it was a delimiter or a header's, and is done with. */
  #line(line: Buffer): boolean {
    if (mayBeDelimiter(line, 0) && this.#delimiter(line)) return true
    if (this.#state !== 'header') return false
    this.#header.push(Buffer.from(line))
    this.#headerBytes += line.length
    if (isBlankLine(line) || this.#headerBytes > mailLimits.convertedHeaderBytesMax) this.#headerOver()
    return true
  }

  #delimiter(line: Buffer): boolean {
    if (line.length > delimiterBytesMax) return false
    const text = trimBlanksEnd(line.toString('latin1').replace(/\r?\n$/, '')).slice(2)
    for (let level = this.#open.length - 1; level >= 0; level--) {
      const { boundary, isOver } = this.#open[level] as Composite
      if (boundary === null || isOver) continue
      const isClosing = text === `${boundary}--`
      if (text !== boundary && !isClosing) continue
      this.#endInner(level)
      this.#events.between(Buffer.concat([this.#held, line]))
      this.#held = nothing
      const composite = this.#open[level] as Composite
      composite.isOver = isClosing
      this.#state = isClosing ? 'between' : 'header'
      this.#isMessage = false
      this.#isLineStart = true
      return true
    }
    return false
  }

  /** Everything inside `level` is over. */
  #endInner(level: number): void {
    while (this.#state === 'header') this.#headerOver()
    if (this.#state === 'body') this.#events.bodyEnd()
    this.#state = 'between'
    while (this.#open.length > level + 1) {
      this.#open.pop()
      this.#events.compositeEnd()
    }
  }

  #headerOver(): void {
    const bytes = Buffer.concat(this.#header)
    this.#header = []
    this.#headerBytes = 0
    const parent = this.#open.at(-1)
    const { entity, boundary } = readEntity(bytes, this.#isMessage, parent?.isDigest === true && !this.#isMessage)
    const { type, subtype } = entity
    const isDeep = this.#open.length >= mailLimits.mimeDepthMax
    const isPlain = ['7bit', '8bit', 'binary'].includes(entity.encoding)
    const isEnclosed = type === 'message' && (subtype === 'rfc822' || subtype === 'global') && isPlain && !isDeep
    const isMultipart = type === 'multipart' && boundary !== '' && !isDeep
    this.#events.header(bytes, entity)
    this.#isLineStart = true
    if (isMultipart) {
      this.#open.push({ boundary, isDigest: subtype === 'digest', isOver: false })
      this.#state = 'between'
    } else if (isEnclosed) {
      this.#open.push({ boundary: null, isDigest: false, isOver: false })
      this.#isMessage = true
      this.#state = 'header'
    } else this.#state = 'body'
  }

  #text(bytes: Buffer, hasLineEnd: boolean): void {
    this.#giveHeld()
    const breakBytes = hasLineEnd ? (bytes[bytes.length - 2] === CR ? 2 : 1) : 0
    const content = bytes.subarray(0, bytes.length - breakBytes)
    if (content.length > 0) this.#give(content)
    this.#held = breakBytes === 0 ? nothing : Buffer.from(bytes.subarray(bytes.length - breakBytes))
    this.#isLineStart = hasLineEnd
  }

  #giveHeld(): void {
    if (this.#held.length > 0) this.#give(this.#held)
    this.#held = nothing
  }

  #give(bytes: Buffer): void {
    if (this.#state === 'body') this.#events.body(bytes)
    else this.#events.between(bytes)
  }
}

function mayBeDelimiter(bytes: Buffer, at: number): boolean {
  return bytes[at] === DASH && (bytes[at + 1] === DASH || at + 1 >= bytes.length)
}

function isBlankLine(line: Buffer): boolean {
  return line[0] === LF || (line[0] === CR && line[1] === LF)
}

function readEntity(bytes: Buffer, isMessage: boolean, inDigest: boolean): { entity: MimeEntity; boundary: string } {
  const text = bytes.toString('latin1')
  const fields = scanHeaderText(text, 0)
  const value = (name: string) => {
    const field = fields.find(({ lower }) => lower === name)
    return field && unfold(text.slice(field.valueStart, field.end))
  }
  const { value: full, raw } = splitParameters(value('content-type') ?? '')
  const match = /^([^\s/]+)\/([^\s/]+)$/.exec(full.trim().toLowerCase())
  const [type, subtype] = match ? [match[1], match[2]] : inDigest ? ['message', 'rfc822'] : ['text', 'plain']
  const encoding = /[^ \t;]+/.exec(stripComments(value('content-transfer-encoding') ?? ''))?.[0].toLowerCase() ?? '7bit'
  const boundary = trimBlanksEnd(joinParameters(raw)['boundary'] ?? '')
  return { entity: { type: type as string, subtype: subtype as string, encoding, isMessage, fields }, boundary }
}
