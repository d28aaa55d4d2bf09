// One end of a stream of bytes, as a node Duplex. Sends only what the other end has given credit for, and gives credit only for
// what its own reader has taken: a reader that stops costs one window of memory, whatever the other end has to say.
import { Duplex } from 'node:stream'
import { SkeinError } from '@skein/runtime'
import type { Clock } from '@skein/runtime'
import { meshLimits, wireLimits } from './settings.ts'

export interface ByteStreamHost {
  readonly clock: Clock
  /** There is something to send and credit to send it. */
  ready(stream: ByteStream): void
  grant(stream: ByteStream, bytes: number): void
  /** Everything that was written is out, and nothing more comes from here. */
  ended(stream: ByteStream): void
  /** Room for a larger window, if the budget has it. */
  mayGrow(bytes: number): boolean
  /** Whoever reads made a mistake. */
  failed(error: unknown): void
  /** @param because undefined where both sides had ended. */
  destroyed(stream: ByteStream, because: SkeinError | undefined): void
}

export class ByteStream extends Duplex {
  readonly id: number
  readonly #host: ByteStreamHost
  #out: Buffer[] = []
  /** Called when all of `#out` is on its way. */
  #written: (() => void) | undefined
  #credit = 0
  #windowBytes: number = wireLimits.streamWindowBytes
  /** From the start: what came, and what the other end was allowed to send. */
  #receivedBytes = 0
  #grantedBytes = 0
  #windowStartMs: number
  #remoteEnded = false
  #localEnded = false
  /** In the turn of those that send. */
  queued = false

  constructor(host: ByteStreamHost, id: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: wireLimits.streamWindowBytes / 2 })
    this.#host = host
    this.id = id
    this.#windowStartMs = host.clock.monotonicMs()
    // The peer may be lost at any moment, also before somebody listens; `close` comes after it.
    this.on('error', ignore)
  }

  /** What the window has grown by. */
  get extraWindowBytes(): number {
    return this.#windowBytes - wireLimits.streamWindowBytes
  }

  /** It was accepted: either side may send a window. */
  begin(): void {
    this.#grantedBytes = wireLimits.streamWindowBytes
    this.addCredit(wireLimits.streamWindowBytes)
  }

  /** The other end has read: so much more may be sent. @throws SkeinError `bad-frame` */
  addCredit(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > wireLimits.streamWindowBytesMax) {
      throw new SkeinError('bad-frame', 'refused', 'more credit than a window holds')
    }
    if (this.#out.length > 0) this.#host.ready(this)
  }

  /** The next bytes to send, or undefined. */
  nextChunk(bytesMax: number): Buffer | undefined {
    const first = this.#out[0]
    const bytes = Math.min(first?.byteLength ?? 0, bytesMax, this.#credit)
    if (first === undefined || bytes === 0) return undefined
    this.#credit -= bytes
    if (bytes < first.byteLength) {
      this.#out[0] = first.subarray(bytes)
      return first.subarray(0, bytes)
    }
    this.#out.shift()
    return first
  }

  /** What `nextChunk` gave is on its way: the writer may go on where that was all. */
  taken(): void {
    if (this.#out.length > 0) return
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  get sendable(): boolean {
    return this.#credit > 0 && this.#out.length > 0
  }

  /** @throws SkeinError `credit-exceeded` */
  receive(bytes: Buffer): void {
    this.#receivedBytes += bytes.byteLength
    if (this.#receivedBytes > this.#grantedBytes || this.#remoteEnded) {
      throw new SkeinError('credit-exceeded', 'refused', 'the peer sends more than it may')
    }
    try {
      this.push(bytes)
    } catch (error) {
      // The reader's own mistake costs its stream, not the connection.
      this.#host.failed(error)
      this.destroy()
      return
    }
    this.#giveCredit()
  }

  receiveEnd(): void {
    if (this.#remoteEnded) return
    this.#remoteEnded = true
    this.push(null)
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    this.#giveCredit()
    return chunk
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#send([chunk], callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#send(joined(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: () => void): void {
    this.#localEnded = true
    this.#host.ended(this)
    callback()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#out = []
    this.#written = undefined
    const because =
      error instanceof SkeinError ? error : new SkeinError('stream-closed', 'temporary', 'the stream was closed')
    this.#host.destroyed(this, this.#localEnded && this.#remoteEnded ? undefined : because)
    callback(error)
  }

  #send(chunks: Buffer[], callback: () => void): void {
    this.#out = chunks.filter((chunk) => chunk.byteLength > 0)
    if (this.#out.length === 0) return callback()
    this.#written = callback
    if (this.#credit > 0) this.#host.ready(this)
  }

  #giveCredit(): void {
    if (this.#grantedBytes === 0 || this.#remoteEnded || this.destroyed) return
    const takenBytes = this.#receivedBytes - this.readableLength
    const freeBytes = takenBytes + this.#windowBytes - this.#grantedBytes
    if (freeBytes < this.#windowBytes / 2) return
    this.#grow()
    const grantBytes = takenBytes + this.#windowBytes - this.#grantedBytes
    this.#grantedBytes += grantBytes
    this.#host.grant(this, grantBytes)
  }

  /** A reader that takes half a window in so short a time may be waiting for the line, not the line for it. */
  #grow(): void {
    const nowMs = this.#host.clock.monotonicMs()
    const isFast = nowMs - this.#windowStartMs < meshLimits.streamWindowGrowsWithinMs
    this.#windowStartMs = nowMs
    if (!isFast || this.#windowBytes >= wireLimits.streamWindowBytesMax) return
    if (this.#host.mayGrow(this.#windowBytes)) this.#windowBytes *= 2
  }
}

/** Small chunks joined, so that a frame carries more than a line; large ones as they are. */
function joined(chunks: Buffer[]): Buffer[] {
  const out: Buffer[] = []
  let small: Buffer[] = []
  const flush = () => {
    if (small.length > 0) out.push(small.length === 1 ? small[0]! : Buffer.concat(small))
    small = []
  }
  for (const chunk of chunks) {
    if (chunk.byteLength < smallChunkBytes) small.push(chunk)
    else {
      flush()
      out.push(chunk)
    }
  }
  flush()
  return out
}

function ignore(): void {}

const smallChunkBytes = 4 * 1024
