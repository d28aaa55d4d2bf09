// What comes from the client: fed to the decoder as it comes, and not read while too much of it waits.
import type { Duplex } from 'node:stream'
import type { Clock } from '@skein/runtime'
import type { CommandDecoder } from './wire/command-decoder.ts'

export class Input {
  readonly #decoder: CommandDecoder
  readonly #clock: Clock
  readonly #readAheadBytesMax: number
  #socket: Duplex | undefined
  #deafen: (() => void) | undefined
  #wake: (() => void) | undefined
  /** Something came while nobody waited: whoever waits next has not looked at it yet. */
  #missed = false
  /** The client has closed its side. */
  ended = false
  /** By the monotonic clock. */
  lastMs: number

  constructor(decoder: CommandDecoder, clock: Clock, readAheadBytesMax: number) {
    this.#decoder = decoder
    this.#clock = clock
    this.#readAheadBytesMax = readAheadBytesMax
    this.lastMs = clock.monotonicMs()
  }

  /** @param onClose nothing can be sent any more either. */
  listen(socket: Duplex, onClose: () => void): void {
    this.#socket = socket
    const onData = (chunk: Buffer) => {
      this.lastMs = this.#clock.monotonicMs()
      this.#decoder.push(chunk)
      if (this.#decoder.bufferedBytes > this.#readAheadBytesMax) socket.pause()
      this.#arrived()
    }
    const onEnd = () => {
      this.ended = true
      this.#arrived()
    }
    const closed = () => {
      onClose()
      onEnd()
    }
    socket.on('data', onData).on('end', onEnd).on('error', onEnd).on('close', closed)
    this.#deafen = () => socket.off('data', onData).off('end', onEnd).off('close', closed)
  }

  #arrived(): void {
    if (this.#wake === undefined) this.#missed = true
    else this.#wake()
  }

  /** Reads no more from this socket, so that TLS can take it over. */
  deafen(): void {
    this.#deafen?.()
    this.#socket?.pause()
  }

  /** Whether the connection does nothing but wait for the client. */
  get waiting(): boolean {
    return this.#wake !== undefined
  }

  /** Ends a wait although nothing has come. */
  wake(): void {
    this.#wake?.()
  }

  /** Resolves when something has come since the last wait, the client has closed, or at `wake`. */
  async wait(): Promise<void> {
    if (this.#socket?.isPaused() === true) this.#socket.resume()
    if (this.#missed) {
      this.#missed = false
      return
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
  }
}
