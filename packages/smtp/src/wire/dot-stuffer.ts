// A message's bytes as they go on the wire after DATA (RFC 5321 §4.5.2), the opposite of DataReader.
// Promises: any chunking gives the same bytes; what goes out never has a bare CR or LF (RFC 5321 §2.3.8), so that no
// receiver can be made to see an end of message that we did not send, nor one that drops NULs. Correct messages stay as they are.

const CRLF = Buffer.from('\r\n')
const DOT = Buffer.from('.')
const LF_ONLY = Buffer.from('\n')
const DOT_CODE = 46
const NUL_CODE = 0

export class DotStuffer {
  #atLineStart = true
  /** The last chunk ended with a CR, which has been given out. */
  #afterCr = false
  /** NULs at the start of a line, not given out: before a dot they stay out, since without them it would be a dot not doubled. */
  #heldNuls = 0

  /** Pushes the wire form of `chunk` to `pieces` (parts of `chunk`, not copies). */
  write(chunk: Buffer, pieces: Buffer[]): void {
    const length = chunk.length
    if (length === 0) return
    const text = chunk.toString('latin1')
    let at = 0
    let keep = 0
    let cr = -1
    let lf = -1
    if (this.#afterCr) {
      this.#afterCr = false
      if (text.charCodeAt(0) === 10) at = 1
      else pieces.push(LF_ONLY)
      this.#atLineStart = true
    }
    while (at < length) {
      if (this.#atLineStart) {
        if (text.charCodeAt(at) === NUL_CODE) {
          if (at > keep) pieces.push(chunk.subarray(keep, at))
          at += 1
          keep = at
          this.#heldNuls += 1
          continue
        }
        this.#atLineStart = false
        if (this.#heldNuls > 0 && text.charCodeAt(at) !== DOT_CODE) pieces.push(Buffer.alloc(this.#heldNuls))
        this.#heldNuls = 0
        if (text.charCodeAt(at) === DOT_CODE) {
          if (at > keep) pieces.push(chunk.subarray(keep, at))
          pieces.push(DOT)
          keep = at
        }
      }
      if (cr < at) cr = indexOrLength(text, '\r', at, length)
      if (lf < at) lf = indexOrLength(text, '\n', at, length)
      const end = Math.min(cr, lf)
      if (end === length) break
      if (cr + 1 === lf && lf < length) {
        at = lf + 1
      } else if (cr === length - 1 && cr < lf) {
        this.#afterCr = true
        break
      } else {
        if (end > keep) pieces.push(chunk.subarray(keep, end))
        pieces.push(CRLF)
        keep = end + 1
        at = end + 1
      }
      this.#atLineStart = true
    }
    if (length > keep) pieces.push(chunk.subarray(keep))
  }

  /** The end of the message: a line end where the last one lacks, and the dot. */
  end(): Buffer {
    if (this.#afterCr) return Buffer.from('\n.\r\n')
    if (this.#heldNuls > 0) return Buffer.concat([Buffer.alloc(this.#heldNuls), Buffer.from('\r\n.\r\n')])
    return this.#atLineStart ? Buffer.from('.\r\n') : Buffer.from('\r\n.\r\n')
  }
}

function indexOrLength(text: string, character: string, from: number, length: number): number {
  const index = text.indexOf(character, from)
  return index < 0 ? length : index
}
