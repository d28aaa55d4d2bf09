// COMPRESS=DEFLATE (RFC 4978): a byte stream in raw deflate over another one.
// Promises: what is written is on its way once the writer pauses; what comes is inflated no faster than it is read, so a
// bomb costs time of its own connection only; while nothing is sent, no compressor is kept.
import { Duplex } from 'node:stream'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'
import type { DeflateRaw, InflateRaw } from 'node:zlib'
import type { Clock, Timer } from '@skein/runtime'

/**
 * A compressor takes 2^(windowBits+2) + 2^(memLevel+9) bytes: 32 KiB, and only while it is at work. After a sync flush
 * the stream stands at a byte's edge, so a fresh one can go on where the last one stopped; it only begins without a past.
 */
const DEFLATE = { windowBits: 12, memLevel: 5, chunkSize: 8 * 1024 }
const KEPT_MS = 2_000
/** Clients may use any window, so this side must hold the largest: about 40 KiB once something has come. */
const INFLATE = { windowBits: 15, chunkSize: 4 * 1024 }

export class DeflateStream extends Duplex {
  readonly #inner: Duplex
  readonly #clock: Clock
  #deflater: DeflateRaw | undefined
  #inflater: InflateRaw | undefined
  #flushPlanned = false
  #drop: Timer | undefined

  constructor(inner: Duplex, clock: Clock) {
    super({ readableHighWaterMark: 16 * 1024, writableHighWaterMark: 64 * 1024, allowHalfOpen: true })
    this.#inner = inner
    this.#clock = clock
    this.#inflater = this.#createInflater()
    inner.on('data', this.#onInner).on('end', this.#onInnerEnd).on('close', this.#onInnerGone)
    inner.on('error', this.#onInnerGone).resume()
  }

  /** Lets go of the stream below, which goes on without compression (RFC 8437 §4.1). Everything written is flushed first. */
  async detach(): Promise<Duplex> {
    // What the client sends once it has the answer is plain.
    const inner = this.#inner
    inner.off('data', this.#onInner).off('end', this.#onInnerEnd).pause()
    // Written in turn: when it is through, all before it is.
    if (this.writableLength > 0) await new Promise((resolve) => this.write(Buffer.alloc(0), resolve))
    await this.#flush()
    inner.off('close', this.#onInnerGone).off('error', this.#onInnerGone)
    this.#close()
    return inner
  }

  /* ---------------------------------------------------------------- what comes */

  #createInflater(): InflateRaw {
    const inflater = createInflateRaw(INFLATE)
    inflater.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) inflater.pause()
    })
    inflater.on('drain', () => this.#inner.resume())
    inflater.on('end', () => this.push(null))
    // What is no deflate stream cannot be read on, and there is no telling where it would become one again.
    inflater.on('error', () => this.#failed(inflater))
    return inflater
  }

  readonly #onInner = (chunk: Buffer): void => {
    if (this.#inflater?.write(chunk) === false) this.#inner.pause()
  }

  readonly #onInnerEnd = (): void => {
    // A client that only closes leaves its deflate stream unfinished: that is an end too.
    this.#inflater?.flush(constants.Z_SYNC_FLUSH, () => this.push(null))
  }

  readonly #onInnerGone = (): void => {
    this.destroy()
  }

  override _read(): void {
    this.#inflater?.resume()
  }

  /* ---------------------------------------------------------------- what goes */

  #compressor(): DeflateRaw {
    this.#drop?.cancel()
    if (this.#deflater !== undefined) return this.#deflater
    const deflater = createDeflateRaw(DEFLATE)
    this.#deflater = deflater
    deflater.on('data', (chunk: Buffer) => {
      if (this.#inner.write(chunk)) return
      deflater.pause()
      this.#inner.once('drain', () => deflater.resume())
    })
    deflater.on('error', () => this.#failed(deflater))
    return deflater
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#compressor().write(chunk, (error) => {
      this.#planFlush()
      done(error)
    })
  }

  /** Once the writer has nothing more for now. */
  #planFlush(): void {
    if (this.#flushPlanned) return
    this.#flushPlanned = true
    setImmediate(() => {
      this.#flushPlanned = false
      if (this.writableLength === 0) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const deflater = this.#deflater
    if (deflater === undefined || this.destroyed) return
    await new Promise<void>((resolve) => {
      const settle = () => {
        this.off('close', settle)
        resolve()
      }
      this.once('close', settle)
      deflater.flush(constants.Z_SYNC_FLUSH, settle)
    })
    this.#drop?.cancel()
    this.#drop = this.#clock.setTimer(KEPT_MS, () => this.#dropCompressor())
  }

  #dropCompressor(): void {
    if (this.#flushPlanned || this.writableLength > 0) return
    const deflater = this.#deflater
    this.#deflater = undefined
    deflater?.close()
  }

  override _final(done: () => void): void {
    const deflater = this.#deflater
    const end = () => {
      this.#inner.end()
      done()
    }
    if (deflater === undefined) return end()
    deflater.once('end', end)
    deflater.end()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close()
    this.#inner.destroy()
    done(error)
  }

  /** One that was put away has nothing to say any more. */
  #failed(part: InflateRaw | DeflateRaw): void {
    if (part === this.#inflater || part === this.#deflater) this.destroy()
  }

  #close(): void {
    this.#drop?.cancel()
    const [deflater, inflater] = [this.#deflater, this.#inflater]
    this.#deflater = undefined
    this.#inflater = undefined
    deflater?.close()
    inflater?.close()
  }
}
