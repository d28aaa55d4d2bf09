// The header, the blank line and the first lines of the body, for TOP (RFC 1939 §7).

const LF = 10
const CR = 13

export class TopOfMessage {
  #bodyLinesLeft: number
  #inHeader = true
  /** Whether the current line has bytes other than CR. */
  #lineIsEmpty = true
  #isDone = false

  constructor(bodyLines: number) {
    this.#bodyLinesLeft = bodyLines
  }

  /** True when nothing more is wanted. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** The part of `chunk` that belongs to the answer. */
  take(chunk: Uint8Array): Uint8Array {
    let at = 0
    while (at < chunk.length && !this.#isDone) {
      const lf = chunk.indexOf(LF, at)
      const end = lf < 0 ? chunk.length : lf
      if (this.#lineIsEmpty) this.#lineIsEmpty = end === at || (end === at + 1 && chunk[at] === CR)
      at = lf < 0 ? end : lf + 1
      if (lf < 0) break
      if (!this.#inHeader) this.#bodyLinesLeft -= 1
      else if (this.#lineIsEmpty) this.#inHeader = false
      this.#lineIsEmpty = true
      this.#isDone = !this.#inHeader && this.#bodyLinesLeft <= 0
    }
    return chunk.subarray(0, at)
  }
}
