// A message's bytes as RETR and TOP send them (RFC 1939 §3): lines that begin with a dot get another, the end is CR LF . CR LF.
// Promises: nothing else is changed, a bare CR or LF is no line end; any chunking gives the same bytes.

const DOT = Buffer.from('.')
const LINE_START = Buffer.from('\r\n.')

export class MessageWriter {
  /** The last bytes given out: 0 begin of a line, 1 within a line, 2 after its CR. */
  #state: 0 | 1 | 2 = 0

  /** Pushes the wire form of `chunk` to `pieces` (parts of `chunk`, not copies). */
  write(chunk: Buffer, pieces: (Buffer | string)[]): void {
    if (chunk.length === 0) return
    let keep = 0
    const stuff = (at: number) => {
      if (at > keep) pieces.push(chunk.subarray(keep, at))
      pieces.push(DOT)
      keep = at
    }
    if (this.#state === 0 && chunk[0] === 46) stuff(0)
    if (this.#state === 2 && chunk[0] === 10 && chunk[1] === 46) stuff(1)
    for (let at = chunk.indexOf(LINE_START); at >= 0; at = chunk.indexOf(LINE_START, at + 3)) stuff(at + 2)
    pieces.push(keep === 0 ? chunk : chunk.subarray(keep))
    const last = chunk[chunk.length - 1]
    const isLf = last === 10 && (chunk.length > 1 ? chunk[chunk.length - 2] === 13 : this.#state === 2)
    this.#state = isLf ? 0 : last === 13 ? 2 : 1
  }

  /** A line end where the message lacks one, then the end. */
  end(): Buffer {
    return this.#state === 0 ? Buffer.from('.\r\n') : Buffer.from('\r\n.\r\n')
  }
}
