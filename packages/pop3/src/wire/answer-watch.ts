// Follows what a server says, without knowing what it was asked: where an answer is over, an -ERR of somebody else can be said.
// Lines that are no status begin a list or a message, which goes on to the line with a dot (RFC 1939 §3).

const longestMark = 4

export class AnswerWatch {
  #isMultiLine = false
  #isLineOpen = false
  /** The line's first characters; one more than any mark has, to know a longer line. */
  #start = ''

  get betweenLines(): boolean {
    return !this.#isMultiLine && !this.#isLineOpen
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      const newline = chunk.indexOf(0x0a, at)
      const end = newline === -1 ? chunk.length : newline
      if (this.#start.length <= longestMark) {
        this.#start += chunk.toString('latin1', at, Math.min(end, at + longestMark + 1))
      }
      this.#isLineOpen = newline === -1
      if (newline !== -1) this.#lineEnd()
      at = end + 1
    }
  }

  #lineEnd(): void {
    const start = this.#start
    this.#start = ''
    if (start === '.\r' || start === '.') this.#isMultiLine = false
    else if (!this.#isMultiLine) this.#isMultiLine = !/^(?:\+OK|-ERR|\+ )/.test(start)
  }
}
