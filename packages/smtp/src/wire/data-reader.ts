// The bytes after DATA: finds the end, takes the transparency dots away, and watches the line ends (RFC 5321 §4.5.2, §2.3.8).
// Promises: only CR LF . CR LF ends a message, and any chunking of the same bytes gives the same result.

const CR = 13
const LF = 10
const DOT = 46
const NUL = 0
const CRLF = Buffer.from('\r\n')

/** What a refused message has: a CR or LF alone, or a line that is one dot as soon as somebody drops its NULs. */
export type DataFault = 'bare-line-end' | 'masked-end'

const line = {
  lineStart: 0,
  /** The line's first byte is a dot, which is not part of the message. */
  dot: 1,
  dotCr: 2,
  /** The line has only NULs so far; or NULs and one dot. */
  nuls: 3,
  nulsAndDot: 4,
  nulsAndDotCr: 5,
  text: 6,
  /** The chunk ended with a CR, which has been given out. */
  afterCr: 7,
} as const

export class DataReader {
  readonly #normalise: boolean
  #state: number = line.lineStart
  #ended = false
  #fault: DataFault | null = null

  constructor(bareLineEnds: 'refuse' | 'normalise') {
    this.#normalise = bareLineEnds === 'normalise'
  }

  /** True after CR LF . CR LF. */
  get ended(): boolean {
    return this.#ended
  }

  /** The first fault met. The message is to be refused, while reading goes on to its end. */
  get fault(): DataFault | null {
    return this.#fault
  }

  /**
   * Reads `chunk` and pushes the message's bytes to `pieces` (parts of `chunk`, not copies).
   * @returns how many bytes were read: less than the chunk's length where the message ended before.
   */
  read(chunk: Buffer, pieces: Buffer[]): number {
    const length = chunk.length
    // Searching one-byte text is several times faster than searching the Buffer.
    const text = chunk.toString('latin1')
    // Where the next CR and LF are; searched for again only once passed, so that no input makes this quadratic.
    let cr = -1
    let lf = -1
    let at = 0
    let keep = 0
    const cut = (end: number, next: number) => {
      if (end > keep) pieces.push(chunk.subarray(keep, end))
      keep = next
    }

    while (at < length) {
      if (this.#state === line.text) {
        if (cr < at) cr = indexOrLength(text, '\r', at, length)
        if (lf < at) lf = indexOrLength(text, '\n', at, length)
        if (cr + 1 === lf && lf < length) {
          at = lf + 1
          const next = at < length ? text.charCodeAt(at) : DOT
          if (next === DOT || next === NUL) this.#state = line.lineStart
        } else if (cr < lf) {
          if (cr === length - 1) {
            this.#state = line.afterCr
          } else {
            cut(cr, cr + 1)
            this.#bareLineEnd(pieces)
          }
          at = cr + 1
        } else if (lf < length) {
          cut(lf, lf + 1)
          this.#bareLineEnd(pieces)
          at = lf + 1
        } else {
          at = length
        }
        continue
      }

      const byte = chunk[at]
      switch (this.#state) {
        case line.lineStart:
          if (byte === DOT) {
            cut(at, at + 1)
            this.#state = line.dot
            at += 1
          } else if (byte === NUL) {
            this.#state = line.nuls
            at += 1
          } else {
            this.#state = line.text
          }
          break
        case line.dot:
          if (byte === CR) {
            // Held back: it belongs to the end of the message, unless no LF follows.
            keep = at + 1
            this.#state = line.dotCr
            at += 1
          } else if (byte === NUL) {
            this.#state = line.nulsAndDot
            at += 1
          } else {
            this.#state = line.text
          }
          break
        case line.dotCr:
          if (byte === LF) {
            this.#ended = true
            return at + 1
          }
          this.#bareLineEnd(pieces)
          this.#state = line.text
          break
        case line.nuls:
          if (byte === NUL) at += 1
          else if (byte === DOT) {
            this.#state = line.nulsAndDot
            at += 1
          } else this.#state = line.text
          break
        case line.nulsAndDot:
          if (byte === NUL) at += 1
          else if (byte === CR) {
            this.#state = line.nulsAndDotCr
            at += 1
          } else this.#state = line.text
          break
        default: {
          // After a CR that was given out already.
          if (byte === LF) {
            if (this.#state === line.nulsAndDotCr) this.#fault ??= 'masked-end'
            this.#state = line.lineStart
            at += 1
          } else {
            cut(at, at)
            this.#bareLineEnd(pieces, true)
            this.#state = line.text
          }
        }
      }
    }
    cut(length, length)
    return length
  }

  /** @param hasCr the CR is in the message already, only its LF is missing. */
  #bareLineEnd(pieces: Buffer[], hasCr = false): void {
    if (this.#normalise) pieces.push(hasCr ? CRLF.subarray(1) : CRLF)
    else this.#fault ??= 'bare-line-end'
  }
}

function indexOrLength(text: string, character: string, from: number, length: number): number {
  const index = text.indexOf(character, from)
  return index < 0 ? length : index
}
