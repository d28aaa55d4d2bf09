// Cuts what a client sends into lines, of which none is longer than the limit.

const LF = 10
const CR = 13

export class LineReader {
  readonly #lineBytesMax: number
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  /** Bytes from `#at` that are known to hold no LF. */
  #searched = 0
  #skipping = false

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** Bytes that have come and are not taken yet. */
  get waiting(): number {
    return this.#buffer.length - this.#at
  }

  push(chunk: Buffer): void {
    this.#buffer = this.waiting === 0 ? chunk : Buffer.concat([this.#buffer.subarray(this.#at), chunk])
    this.#at = 0
  }

  /** Gives away what has come and is not taken yet. */
  takeAll(): Buffer {
    const left = this.#buffer.subarray(this.#at)
    this.#clear()
    return left
  }

  /** The next line without its line end; 'too-long' once for each line that is; null when more must come first. */
  next(): Buffer | 'too-long' | null {
    for (;;) {
      const lf = this.#buffer.indexOf(LF, this.#at + this.#searched)
      if (lf < 0) {
        this.#searched = this.waiting
        // Drops what is there, so that a line without end takes no memory.
        if (this.waiting > this.#lineBytesMax) this.#skipping = true
        // Nor does an idle connection hold on to the last chunk.
        if (this.#skipping || this.waiting === 0) this.#clear()
        return null
      }
      const start = this.#at
      this.#at = lf + 1
      this.#searched = 0
      if (this.#skipping) {
        this.#skipping = false
        return 'too-long'
      }
      const end = lf > start && this.#buffer[lf - 1] === CR ? lf - 1 : lf
      return end - start > this.#lineBytesMax ? 'too-long' : this.#buffer.subarray(start, end)
    }
  }

  #clear(): void {
    this.#buffer = Buffer.alloc(0)
    this.#at = 0
    this.#searched = 0
  }
}
