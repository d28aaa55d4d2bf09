// The byte stream of one session, whatever carries it: a socket, TLS over it, a stream from another node.
// Promises: knows nothing of sockets; one layer is put over another only while nothing is being read.
import type { Duplex } from 'node:stream'
import type { Clock } from '@skein/runtime'
import { BYE_GRACE_MS } from './session-timer.ts'
import { DeflateStream } from './deflate-stream.ts'

/** What is known of a byte stream beside its bytes. */
export interface StreamFacts {
  remoteAddress: string
  /** TLS, or something as good, protects it already. */
  secure: boolean
}

/** Puts TLS over a stream; resolves after the handshake. */
export type SecureStream = (stream: Duplex) => Promise<Duplex>

export class Transport {
  readonly remoteAddress: string
  readonly #secureStream: SecureStream
  #stream: Duplex
  #secure: boolean

  constructor(stream: Duplex, facts: StreamFacts, secureStream: SecureStream) {
    this.#stream = stream
    this.#secure = facts.secure
    this.remoteAddress = facts.remoteAddress
    this.#secureStream = secureStream
  }

  /** The uppermost layer: what the session reads and writes. */
  get stream(): Duplex {
    return this.#stream
  }

  get secure(): boolean {
    return this.#secure
  }

  /** @throws what the handshake failed with. */
  async startTls(): Promise<void> {
    this.#stream = await this.#secureStream(this.#stream)
    this.#secure = true
  }

  get compressed(): boolean {
    return this.#stream instanceof DeflateStream
  }

  compress(clock: Clock): void {
    this.#stream = new DeflateStream(this.#stream, clock)
  }

  /** Takes compression off again, where there is any. */
  async decompress(): Promise<void> {
    if (this.#stream instanceof DeflateStream) this.#stream = await this.#stream.detach()
  }

  /** Ends it. What the client still sends is not read, and a client that keeps its half open is not waited for. */
  close(clock: Clock): void {
    const stream = this.#stream
    stream.end()
    stream.resume()
    if (stream.destroyed) return
    const grace = clock.setTimer(BYE_GRACE_MS, () => stream.destroy())
    stream.once('close', () => grace.cancel())
  }

  destroy(): void {
    this.#stream.destroy()
  }
}
