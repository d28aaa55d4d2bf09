// What goes to the client. Promises: small replies are joined in one write, a slow reader holds at most
// `writeBufferBytesMax` and its own connection, and one that stops reading is cut off.
import type { Duplex } from 'node:stream'
import type { Clock } from '@skein/runtime'

/** The client is gone: ends whatever was being done for it. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone'
}

export interface OutputLimits {
  writeBufferBytesMax: number
  writeStallTimeoutMs: number
}

/** What is small is handed to the socket in pieces of about this size: one copy costs less than a write of many parts. */
const BLOCK_BYTES = 32 * 1024
/** Work goes on this long before other connections get their turn. */
const TURN_MS = 8

export class Output {
  readonly #clock: Clock
  readonly #limits: OutputLimits
  #socket: Duplex
  #pending: (string | Uint8Array)[] = []
  #pendingBytes = 0
  #turnStartedMs = 0
  #gone = false

  constructor(socket: Duplex, clock: Clock, limits: OutputLimits) {
    this.#socket = socket
    this.#clock = clock
    this.#limits = limits
  }

  /** Goes on with another socket: after STARTTLS. */
  useSocket(socket: Duplex): void {
    this.#socket = socket
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#gone = true
    this.#pending = []
    this.#pendingBytes = 0
  }

  /** Cuts the connection: what was begun cannot be finished honestly. */
  abandon(): void {
    this.close()
    this.#socket.destroy()
  }

  get gone(): boolean {
    return this.#gone
  }

  /** Adds a byte string. */
  text(bytes: string): void {
    if (bytes === '') return
    const last = this.#pending.length - 1
    if (typeof this.#pending[last] === 'string') this.#pending[last] += bytes
    else this.#pending.push(bytes)
    this.#added(bytes.length)
  }

  /** Adds bytes; large ones without copying them. They must not change any more. */
  bytes(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (chunk.length > BLOCK_BYTES) {
      this.flush()
      if (!this.#gone) this.#socket.write(chunk)
      return
    }
    this.#pending.push(chunk)
    this.#added(chunk.length)
  }

  #added(bytes: number): void {
    this.#pendingBytes += bytes
    if (this.#pendingBytes > BLOCK_BYTES) this.flush()
  }

  /** Hands over what has been added. */
  flush(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    const bytes = this.#pendingBytes
    this.#pending = []
    this.#pendingBytes = 0
    if (this.#gone) return
    if (pending.length === 1 && typeof pending[0] === 'string') this.#socket.write(pending[0], 'latin1')
    else this.#socket.write(joined(pending, bytes))
  }

  get congested(): boolean {
    return this.#socket.writableLength > this.#limits.writeBufferBytesMax
  }

  /** Marks the start of a command's work, for `breathe`. */
  startTurn(): void {
    this.#turnStartedMs = this.#clock.monotonicMs()
  }

  /**
   * To be awaited between blocks of work: waits while the client reads too slowly, and lets others have their turn.
   * @throws ConnectionGone
   */
  breathe(): Promise<void> | void {
    if (this.#gone) throw new ConnectionGone('the client is gone')
    if (this.#socket.writableLength + this.#pendingBytes > BLOCK_BYTES) this.flush()
    if (this.congested) return this.#drained()
    if (this.#clock.monotonicMs() - this.#turnStartedMs < TURN_MS) return
    return new Promise((resolve) => {
      setImmediate(() => {
        this.startTurn()
        resolve()
      })
    })
  }

  /** Resolves when the client has taken what it was sent. @throws ConnectionGone */
  #drained(): Promise<void> {
    const socket = this.#socket
    return new Promise((resolve, reject) => {
      const stalled = this.#clock.setTimer(this.#limits.writeStallTimeoutMs, () => socket.destroy())
      const settle = () => {
        stalled.cancel()
        socket.off('drain', settle)
        socket.off('close', settle)
        this.startTurn()
        if (this.#gone || socket.destroyed) reject(new ConnectionGone('the client is gone'))
        else resolve()
      }
      socket.on('drain', settle)
      socket.on('close', settle)
    })
  }
}

function joined(parts: readonly (string | Uint8Array)[], bytes: number): Buffer {
  const block = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const part of parts) {
    if (typeof part === 'string') block.write(part, at, 'latin1')
    else block.set(part, at)
    at += part.length
  }
  return block
}
