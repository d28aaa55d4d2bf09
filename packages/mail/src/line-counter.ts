// Counts lines in ranges of one message (RFC 9051 §7.5.2 body lines), in linear time also where ranges nest deeply.

const LF = 10
/** Bytes between two checkpoints. */
const stride = 4096
/** Below this average, reading bytes one by one is quicker than a native search for each line. */
const shortLineBytes = 24
const callsPerCheck = 32

export class LineCounter {
  private readonly buffer: Buffer
  private budget: number
  /** Line feeds before each multiple of `stride`; made once direct counting has cost as much as making it. */
  private checkpoints: Uint32Array | null = null

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.budget = buffer.length * 2
  }

  /** Lines in [start, end); a last one without its line feed counts. */
  count(start: number, end: number): number {
    if (end <= start) return 0
    return this.feeds(start, end) + (this.buffer[end - 1] === LF ? 0 : 1)
  }

  private feeds(start: number, end: number): number {
    if (this.checkpoints === null) {
      if (end - start <= this.budget) {
        this.budget -= end - start
        return this.scan(start, end)
      }
      this.checkpoints = this.makeCheckpoints()
    }
    return this.feedsBefore(this.checkpoints, end) - this.feedsBefore(this.checkpoints, start)
  }

  private feedsBefore(checkpoints: Uint32Array, offset: number): number {
    const slot = Math.floor(offset / stride)
    return (checkpoints[slot] ?? 0) + this.scan(slot * stride, offset)
  }

  private makeCheckpoints(): Uint32Array {
    const length = this.buffer.length
    const checkpoints = new Uint32Array(Math.floor(length / stride) + 1)
    let total = 0
    for (let slot = 1; slot < checkpoints.length; slot += 1) {
      total += this.scan((slot - 1) * stride, slot * stride)
      checkpoints[slot] = total
    }
    return checkpoints
  }

  /** Native search while lines are long, byte by byte where they are so short that each call costs more than it saves. */
  private scan(start: number, end: number): number {
    // A view of its own, so that a search never runs past the range.
    const view = this.buffer.subarray(start, end)
    const length = view.length
    let feeds = 0
    let position = 0
    let window = callsPerCheck
    let windowStart = 0
    while (position < length) {
      const found = view.indexOf(LF, position)
      if (found < 0) return feeds
      feeds += 1
      position = found + 1
      window -= 1
      if (window > 0) continue
      if (position - windowStart < callsPerCheck * shortLineBytes) {
        const stop = Math.min(length, position + stride)
        for (; position < stop; position += 1) if (view[position] === LF) feeds += 1
      }
      window = callsPerCheck
      windowStart = position
    }
    return feeds
  }
}
