// What leaves on one stream. Small frames of the same turn of the event loop go out together; nothing more is handed to
// the stream while it cannot take it. `stream.onDrain()` resolves at once from its second use on, which lets a queue grow
// without bound: here every wait is for the stream's own `drain` event.
import type { Stream } from '@libp2p/interface'
import { meshLimits } from './settings.ts'

export class StreamWriter {
  readonly #stream: Stream
  readonly #onError: (error: Error) => void
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #flushQueued = false
  #closed = false
  #drainWaiters: { belowBytes: number; resolve: () => void }[] = []

  /** @param onError the stream could not be written to; called at most once. */
  constructor(stream: Stream, onError: (error: Error) => void) {
    this.#stream = stream
    this.#onError = onError
    // libp2p's own listener came first and moves the stream's left-overs in a microtask of its own: ours follows that one.
    stream.addEventListener('drain', this.#queueFlush)
  }

  /** Bytes that the stream has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  write(frame: Uint8Array): void {
    if (this.#closed) return
    this.#queue.push(frame)
    this.#queuedBytes += frame.byteLength
    this.#queueFlush()
  }

  /** Resolves when fewer than `belowBytes` wait, or the stream is gone. */
  drained(belowBytes: number): Promise<void> {
    if (this.#closed || this.#queuedBytes < belowBytes) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drainWaiters.push({ belowBytes, resolve })
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stream.removeEventListener('drain', this.#queueFlush)
    this.#queue = []
    this.#queuedBytes = 0
    this.#wakeWaiters()
  }

  readonly #queueFlush = (): void => {
    if (this.#flushQueued || this.#closed || this.#queue.length === 0) return
    this.#flushQueued = true
    queueMicrotask(() => {
      this.#flushQueued = false
      this.#flush()
    })
  }

  #flush(): void {
    try {
      while (!this.#closed && this.#queue.length > 0 && !this.#stream.writableNeedsDrain) {
        const batch = this.#takeBatch()
        this.#stream.send(batch)
      }
    } catch (error) {
      this.close()
      this.#onError(error instanceof Error ? error : new Error(String(error)))
      return
    }
    this.#wakeWaiters()
  }

  #takeBatch(): Uint8Array {
    let bytes = 0
    let count = 0
    for (const frame of this.#queue) {
      if (count > 0 && bytes + frame.byteLength > meshLimits.writeBatchBytes) break
      bytes += frame.byteLength
      count += 1
    }
    const frames = this.#queue.splice(0, count)
    this.#queuedBytes -= bytes
    return frames.length === 1 ? frames[0]! : Buffer.concat(frames, bytes)
  }

  #wakeWaiters(): void {
    if (this.#drainWaiters.length === 0) return
    const waiting = this.#drainWaiters
    this.#drainWaiters = []
    for (const waiter of waiting) {
      if (this.#closed || this.#queuedBytes < waiter.belowBytes) waiter.resolve()
      else this.#drainWaiters.push(waiter)
    }
  }
}
