// Watches the line ends of a message that comes in counted pieces (BDAT, RFC 3030), where no dot ends it and none is doubled.
// Promises: any chunking gives the same result.
import type { DataFault } from './data-reader.ts'

const LF = Buffer.from('\n')
const CRLF = Buffer.from('\r\n')

export class LineEnds {
  readonly #bareLineEnds: 'refuse' | 'normalise' | 'keep'
  #afterCr = false
  #fault: DataFault | null = null

  /** @param bareLineEnds keep: a binary message (BODY=BINARYMIME), whose bytes are no lines. */
  constructor(bareLineEnds: 'refuse' | 'normalise' | 'keep') {
    this.#bareLineEnds = bareLineEnds
  }

  get fault(): DataFault | null {
    return this.#fault
  }

  /** Pushes what is to be kept of `chunk` to `pieces` (parts of it, not copies). */
  read(chunk: Buffer, pieces: Buffer[]): void {
    if (chunk.length === 0) return
    if (this.#bareLineEnds === 'keep') return void pieces.push(chunk)
    const text = chunk.toString('latin1')
    if (this.#afterCr && text.charCodeAt(0) !== 10) this.#bare(pieces, LF)
    let keep = 0
    for (const match of text.matchAll(/\r\n|\r|\n/g)) {
      const [found] = match
      const at = match.index
      if (found === '\r\n' || (found === '\n' && at === 0 && this.#afterCr)) continue
      // A CR at the chunk's end is given out, and judged by what follows.
      if (found === '\r' && at === text.length - 1) continue
      if (this.#bareLineEnds === 'normalise') {
        if (at > keep) pieces.push(chunk.subarray(keep, at))
        keep = at + 1
      }
      this.#bare(pieces, CRLF)
    }
    this.#afterCr = text.charCodeAt(text.length - 1) === 13
    if (keep < chunk.length) pieces.push(chunk.subarray(keep))
  }

  /** The message is over. */
  end(pieces: Buffer[]): void {
    if (this.#afterCr) this.#bare(pieces, LF)
    this.#afterCr = false
  }

  #bare(pieces: Buffer[], instead: Buffer): void {
    if (this.#bareLineEnds === 'normalise') pieces.push(instead)
    else this.#fault ??= 'bare-line-end'
  }
}
