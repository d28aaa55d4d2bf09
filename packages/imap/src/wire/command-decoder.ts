// Cuts the client's bytes into commands: lines and the literals that they announce (RFC 9051 §2.2.1, §4.3).
// Promises: the same events whatever the chunking, memory bounded by its limits, never throws on any bytes.
import { ANNOUNCEMENT_BYTES_MAX, announcementAtEnd } from './literal.ts'
import type { CommandPart, LiteralAnnouncement, StoredLiteral } from './literal.ts'

export interface DecoderLimits {
  commandLineBytesMax: number
  literalsPerCommandMax: number
}

export type DecoderEvent =
  /** A whole command. */
  | { kind: 'command'; parts: CommandPart[] }
  /** A literal is announced: answer with `hold`, `stream` or `refuse` before the next call of `next`. */
  | { kind: 'literal'; announcement: LiteralAnnouncement; parts: readonly CommandPart[] }
  /** Bytes of a streamed literal. After the `last` one, call `stored` before `next`. */
  | { kind: 'data'; chunk: Buffer; last: boolean }
  /** The command whose literal was refused has been read to its end and thrown away. */
  | { kind: 'discarded' }
  /** One line, asked for with `expectLine`. */
  | { kind: 'line'; text: string }
  /** The command was longer than the limits allow; it has been thrown away, but for what was stored. */
  | { kind: 'oversize'; tag: string | null; parts: readonly CommandPart[] }

type Mode = 'line' | 'answer' | 'hold' | 'stream' | 'stored' | 'discard-line' | 'discard-literal'

const LF = 10
const CR = 13

/** More pieces than this are joined: a client that sends single bytes pays with its own packets, not with our memory. */
const PIECES_MAX = 64

export class CommandDecoder {
  readonly #limits: DecoderLimits
  #chunks: Buffer[] = []
  /** Read position in the first chunk. */
  #at = 0
  #buffered = 0
  #mode: Mode = 'line'
  /** Pieces of the line that is being read. */
  #line: Buffer[] = []
  #lineBytes = 0
  #commandBytes = 0
  #heldBytes = 0
  #literals = 0
  #parts: CommandPart[] = []
  #announced: LiteralAnnouncement | undefined
  /** Bytes still to come of the current literal. */
  #rest = 0
  #held: Buffer[] = []
  #lineWanted = false
  /** Why we throw away: told once the command's end is reached. */
  #discardReason: DecoderEvent = { kind: 'discarded' }

  constructor(limits: DecoderLimits) {
    this.#limits = limits
  }

  /** Bytes pushed and not yet read. */
  get bufferedBytes(): number {
    return this.#buffered
  }

  /** True between commands: nothing of the next one has come. */
  get atRest(): boolean {
    return this.#mode === 'line' && this.#parts.length === 0 && this.#lineBytes === 0 && this.#buffered === 0
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    if (this.#chunks.length > PIECES_MAX) {
      this.#chunks = [Buffer.concat(this.#chunks).subarray(this.#at)]
      this.#at = 0
    }
  }

  /** The next event is one line as it stands, without looking for literals: for SASL answers and IDLE's DONE. */
  expectLine(): void {
    this.#lineWanted = true
  }

  /** Keeps the announced literal in memory. */
  hold(): void {
    const bytes = this.#announced?.bytes ?? 0
    this.#heldBytes += bytes
    this.#startLiteral('hold')
    if (this.#heldBytes > this.#limits.commandLineBytesMax)
      this.#discard({ kind: 'oversize', tag: this.#tag(), parts: this.#parts })
  }

  /** Hands the announced literal out as it comes. */
  stream(): void {
    this.#startLiteral('stream')
  }

  /** Throws the command away; `discarded` follows. */
  refuse(): void {
    this.#rest = this.#announced?.bytes ?? 0
    this.#discard({ kind: 'discarded' })
  }

  /** Throws the rest of a literal that is being streamed away, and the command with it; `discarded` follows. */
  abandon(): void {
    this.#discardReason = { kind: 'discarded' }
    this.#announced = { bytes: this.#rest, synchronising: false, binary: false }
    this.#mode = 'discard-literal'
  }

  /** Gives away what has been pushed and not read; to be asked between commands. */
  takeAll(): Buffer[] {
    const [first, ...more] = this.#chunks
    if (first === undefined) return []
    const left = [first.subarray(this.#at), ...more]
    this.#chunks = []
    this.#at = 0
    this.#buffered = 0
    return left
  }

  /** The parts of the command that is being read, so far. */
  get unfinished(): readonly CommandPart[] {
    return this.#parts
  }

  /** What became of the literal that was streamed. */
  stored(literal: StoredLiteral): void {
    this.#parts.push(literal)
    this.#mode = 'line'
  }

  /** The next event, or undefined where more bytes are needed (or an answer to the last event). */
  next(): DecoderEvent | undefined {
    for (;;) {
      if (this.#mode === 'answer' || this.#mode === 'stored') return undefined
      const event =
        this.#mode === 'line'
          ? this.#nextLine()
          : this.#mode === 'discard-line'
            ? this.#nextDiscardedLine()
            : this.#nextLiteral()
      if (event === 'more') return undefined
      if (event !== 'again') return event
    }
  }

  #startLiteral(mode: 'hold' | 'stream'): void {
    this.#rest = this.#announced?.bytes ?? 0
    this.#mode = mode
    this.#literals++
  }

  #discard(reason: DecoderEvent): void {
    this.#discardReason = reason
    // A synchronising literal that is refused is never sent (RFC 9051 §4.3).
    const comes = this.#announced !== undefined && !this.#announced.synchronising
    this.#held = []
    if (this.#announced === undefined) this.#mode = 'discard-line'
    else if (comes) this.#mode = 'discard-literal'
    else this.#endDiscard()
  }

  #endDiscard(): void {
    this.#rest = 0
    this.#mode = 'discard-literal'
    this.#announced = { bytes: 0, synchronising: true, binary: false }
  }

  #nextLine(): DecoderEvent | 'more' | 'again' {
    const piece = this.#takeUntilNewline()
    if (piece === undefined) return 'more'
    addPiece(this.#line, piece.bytes)
    this.#lineBytes += piece.bytes.length
    if (this.#commandBytes + this.#lineBytes > this.#limits.commandLineBytesMax) {
      this.#announced = undefined
      this.#discardReason = { kind: 'oversize', tag: this.#tag(), parts: this.#parts }
      this.#line = [this.#lineTail()]
      if (!piece.ends) {
        this.#mode = 'discard-line'
        return 'again'
      }
      return this.#discardedLineEnd()
    }
    if (!piece.ends) return 'again'
    return this.#lineEnd()
  }

  #lineEnd(): DecoderEvent | 'again' {
    const text = lineText(this.#line)
    this.#line = []
    this.#commandBytes += this.#lineBytes
    this.#lineBytes = 0
    if (this.#lineWanted) {
      this.#lineWanted = false
      this.#reset()
      return { kind: 'line', text }
    }
    const found = announcementAtEnd(text.slice(-ANNOUNCEMENT_BYTES_MAX))
    if (found === undefined) {
      if (text !== '' || this.#parts.length === 0) this.#parts.push(text)
      const parts = this.#parts
      this.#reset()
      return { kind: 'command', parts }
    }
    this.#parts.push(text.slice(0, text.length - found.length))
    this.#announced = found.announcement
    if (this.#literals >= this.#limits.literalsPerCommandMax) {
      this.#rest = found.announcement.bytes
      this.#discard({ kind: 'oversize', tag: this.#tag(), parts: this.#parts })
      return 'again'
    }
    this.#mode = 'answer'
    return { kind: 'literal', announcement: found.announcement, parts: this.#parts }
  }

  #nextDiscardedLine(): DecoderEvent | 'more' | 'again' {
    const piece = this.#takeUntilNewline()
    if (piece === undefined) return 'more'
    this.#line.push(piece.bytes)
    this.#line = [this.#lineTail()]
    return piece.ends ? this.#discardedLineEnd() : 'again'
  }

  /** The end of a line that is thrown away may still announce a literal, which is then thrown away too. */
  #discardedLineEnd(): DecoderEvent | 'again' {
    const found = announcementAtEnd(lineText(this.#line))
    this.#line = []
    if (found !== undefined && !found.announcement.synchronising) {
      this.#announced = found.announcement
      this.#rest = found.announcement.bytes
      this.#mode = 'discard-literal'
      return 'again'
    }
    const event = this.#discardReason
    this.#lineWanted = false
    this.#reset()
    return event
  }

  #nextLiteral(): DecoderEvent | 'more' | 'again' {
    if (this.#rest === 0) return this.#literalEnd(EMPTY)
    const chunk = this.#take(this.#rest)
    if (chunk === undefined) return 'more'
    this.#rest -= chunk.length
    if (this.#rest === 0) return this.#literalEnd(chunk)
    if (this.#mode === 'stream') return { kind: 'data', chunk, last: false }
    if (this.#mode === 'hold') addPiece(this.#held, chunk)
    return 'again'
  }

  #literalEnd(chunk: Buffer): DecoderEvent | 'again' {
    if (this.#mode === 'stream') {
      this.#mode = 'stored'
      return { kind: 'data', chunk, last: true }
    }
    if (this.#mode === 'hold') {
      this.#held.push(chunk)
      // Copied, so that a small literal does not keep a whole network chunk alive.
      this.#parts.push({ kind: 'held', bytes: Buffer.concat(this.#held), binary: this.#announced?.binary === true })
      this.#held = []
      this.#mode = 'line'
      return 'again'
    }
    if (this.#announced?.synchronising === true) {
      const event = this.#discardReason
      this.#reset()
      return event
    }
    this.#mode = 'discard-line'
    return 'again'
  }

  #reset(): void {
    this.#mode = 'line'
    this.#parts = []
    this.#line = []
    this.#lineBytes = 0
    this.#commandBytes = 0
    this.#heldBytes = 0
    this.#literals = 0
    this.#announced = undefined
    this.#discardReason = { kind: 'discarded' }
  }

  /** The tag of the command that is being read, as far as it is known (RFC 9051 §2.2.1). */
  #tag(): string | null {
    const first = this.#parts[0]
    const text = typeof first === 'string' ? first : Buffer.concat(this.#line).toString('latin1', 0, 256)
    return /^([!#$&',-[\]-z|}~]{1,64}) /.exec(text)?.[1] ?? null
  }

  #lineTail(): Buffer {
    const bytes = this.#line.length === 1 ? (this.#line[0] as Buffer) : Buffer.concat(this.#line)
    return Buffer.from(bytes.subarray(-(ANNOUNCEMENT_BYTES_MAX + 1)))
  }

  /** Bytes up to a newline (which is left out), or all there is. */
  #takeUntilNewline(): { bytes: Buffer; ends: boolean } | undefined {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return undefined
    const newline = chunk.indexOf(LF, this.#at)
    const end = newline === -1 ? chunk.length : newline
    const bytes = chunk.subarray(this.#at, end)
    this.#advance(chunk, newline === -1 ? end : newline + 1)
    return { bytes, ends: newline !== -1 }
  }

  #take(most: number): Buffer | undefined {
    const chunk = this.#chunks[0]
    if (chunk === undefined) return undefined
    const end = Math.min(chunk.length, this.#at + most)
    const bytes = chunk.subarray(this.#at, end)
    this.#advance(chunk, end)
    return bytes
  }

  #advance(chunk: Buffer, to: number): void {
    this.#buffered -= to - this.#at
    if (to === chunk.length) {
      this.#chunks.shift()
      this.#at = 0
    } else {
      this.#at = to
    }
  }
}

const EMPTY = Buffer.alloc(0)

function addPiece(pieces: Buffer[], piece: Buffer): void {
  pieces.push(piece)
  if (pieces.length > PIECES_MAX) pieces.splice(0, pieces.length, Buffer.concat(pieces))
}

/** The line as one char for each byte, without the CR before its newline. */
function lineText(pieces: readonly Buffer[]): string {
  const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  const end = bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length
  return bytes.toString('latin1', 0, end)
}
