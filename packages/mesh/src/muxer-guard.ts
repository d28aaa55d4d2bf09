// Two things that yamux does not look at. It reads a frame whole before it compares it with its window, so a header that
// announces 4 GiB would be believed and filled: the first length that no honest peer sends ends the connection. And it opens
// streams in a microtask whose error nobody can catch: on a connection that is closed by then it must not throw.
import type { MessageStream, StreamMessageEvent, StreamMuxerFactory } from '@libp2p/interface'
import { SkeinError } from '@skein/runtime'

// yamux: version u8, type u8, flags u16, stream u32, length u32; only data frames (type 0) have a body.
const headerBytes = 12
const dataFrame = 0

export function guardMuxer(factory: StreamMuxerFactory, frameBytesMax: number): StreamMuxerFactory {
  return {
    protocol: factory.protocol,
    createStreamMuxer(connection) {
      watch(connection, frameBytesMax)
      sendQuietly(connection)
      return factory.createStreamMuxer(connection)
    },
  }
}

/** Registered before the muxer's own listener, so it sees each chunk first. */
function watch(connection: MessageStream, frameBytesMax: number): void {
  const lengths = new FrameLengths(frameBytesMax)
  connection.addEventListener('message', (event: StreamMessageEvent) => {
    const { data } = event
    let honest = true
    if (data instanceof Uint8Array) honest = lengths.pass(data)
    else for (const part of data) honest &&= lengths.pass(part)
    if (honest) return
    event.stopImmediatePropagation()
    connection.abort(new SkeinError('bad-frame', 'refused', 'a frame is too long'))
  })
}

/** What is sent on a closed connection is lost, as it would be a moment later. Whoever waits hears of it by `close`. */
function sendQuietly(connection: MessageStream): void {
  const send = connection.send.bind(connection)
  connection.send = (data) => connection.status === 'open' && send(data)
}

export class FrameLengths {
  readonly #frameBytesMax: number
  readonly #header = Buffer.alloc(headerBytes)
  #headerFilled = 0
  #bodyLeft = 0

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** False when a frame announces more than the limit. */
  pass(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.byteLength) {
      const skip = Math.min(this.#bodyLeft, chunk.byteLength - at)
      this.#bodyLeft -= skip
      at += skip
      const take = Math.min(headerBytes - this.#headerFilled, chunk.byteLength - at)
      this.#header.set(chunk.subarray(at, at + take), this.#headerFilled)
      this.#headerFilled += take
      at += take
      if (this.#headerFilled < headerBytes) return true
      this.#headerFilled = 0
      if (this.#header[1] !== dataFrame) continue
      this.#bodyLeft = this.#header.readUInt32BE(8)
      if (this.#bodyLeft > this.#frameBytesMax) return false
    }
    return true
  }
}
