// Follows what a server says, without understanding it: where one line is over and the next has not begun, a BYE of somebody
// else can be said. Bytes of literals are counted, not read; after COMPRESS nothing can be followed any more.
import { compressionStarted } from './compression-started.ts'

/** `{4294967295}` and CR, before the newline. */
const tailBytes = 14
const headBytes = 120

export class AnswerWatch {
  /** Of the literal that is passing. */
  #literalBytes = 0
  #betweenLines = true
  /** The end of the line so far, since the last literal. */
  #tail = ''
  /** The beginning of a line that is neither data nor a request to go on. */
  #head = ''
  #isBlind = false

  get betweenLines(): boolean {
    return this.#betweenLines && !this.#isBlind
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length && !this.#isBlind) {
      if (this.#literalBytes > 0) {
        const skip = Math.min(this.#literalBytes, chunk.length - at)
        this.#literalBytes -= skip
        at += skip
        continue
      }
      const newline = chunk.indexOf(0x0a, at)
      this.#note(chunk, at, newline === -1 ? chunk.length : newline)
      if (newline === -1) return
      this.#lineEnd()
      at = newline + 1
    }
  }

  #note(chunk: Buffer, from: number, to: number): void {
    if (this.#betweenLines) {
      this.#betweenLines = false
      const isTagged = chunk[from] !== 0x2a && chunk[from] !== 0x2b
      this.#head = isTagged ? chunk.toString('latin1', from, Math.min(to, from + headBytes)) : ''
    } else if (this.#head !== '' && this.#head.length < headBytes) {
      this.#head += chunk.toString('latin1', from, Math.min(to, from + headBytes))
    }
    const tail = chunk.toString('latin1', Math.max(from, to - tailBytes), to)
    this.#tail = to - from >= tailBytes ? tail : (this.#tail + tail).slice(-tailBytes)
  }

  #lineEnd(): void {
    const announced = /\{(\d{1,10})\}\r?$/.exec(this.#tail)?.[1]
    this.#tail = ''
    if (announced !== undefined) {
      this.#literalBytes = Number(announced)
      return
    }
    this.#betweenLines = true
    // RFC 4978 §3: what follows this answer is compressed.
    if (this.#head !== '' && compressionStarted.test(this.#head)) this.#isBlind = true
    this.#head = ''
  }
}
