// One stream of frames between two nodes: both sides may ask, answers come in any order. The reader never pauses: what may
// arrive is bounded by credit, so neither side can wait for the other in a circle. Whatever breaks the protocol ends it.
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger, PeerStream } from '@skein/runtime'
import { unreachable } from './failure.ts'
import { FrameReader, encodeFrame, frameOverheadBytes, frameType } from './frame.ts'
import type { Frame } from './frame.ts'
import { IncomingRequests } from './incoming-requests.ts'
import type { RequestHandler } from './incoming-requests.ts'
import { OutgoingRequests } from './outgoing-requests.ts'
import { meshLimits, wireLimits } from './settings.ts'
import { StreamTable } from './stream-table.ts'
import type { OpenHandler } from './stream-table.ts'
import { StreamWriter } from './stream-writer.ts'

export interface ChannelComponents {
  clock: Clock
  logger: Logger
}

export interface ChannelSettings {
  handler: RequestHandler
  /** Decides on streams of bytes that the peer opens; undefined: it opens none here. */
  openHandler?: OpenHandler
  /** Something came from the peer. */
  onReceived?: () => void
  /** The peer broke the protocol; the channel is closed already. */
  onViolation: (error: SkeinError) => void
  onClose?: () => void
  payloadBytesMax?: number
}

export class Channel {
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #settings: ChannelSettings
  readonly #writer: StreamWriter
  readonly #reader: FrameReader
  readonly #outgoing: OutgoingRequests
  readonly #incoming: IncomingRequests
  readonly #streams: StreamTable
  readonly #pings = new Map<number, { sentMs: number; resolve: (rttMs: number) => void }>()
  #lastPing = 0
  #lastSentMs: number
  #partialSinceMs: number | undefined
  #closed = false

  constructor(components: ChannelComponents, stream: Stream, settings: ChannelSettings) {
    const { clock, logger } = components
    this.#stream = stream
    this.#clock = clock
    this.#settings = settings
    this.#lastSentMs = clock.monotonicMs()
    this.#writer = new StreamWriter(stream, () => this.#end(unreachable('the stream to the peer broke')))
    this.#outgoing = new OutgoingRequests(clock, (frame) => this.#send(frame))
    this.#incoming = new IncomingRequests(clock, logger, this.#writer, settings.handler)
    this.#streams = new StreamTable(components, this.#writer, {
      send: (frame) => this.#send(frame),
      ...(settings.openHandler === undefined ? {} : { handler: settings.openHandler }),
    })
    const bodyBytesMax = (settings.payloadBytesMax ?? wireLimits.payloadBytesMax) + frameOverheadBytes
    this.#reader = new FrameReader(bodyBytesMax, (frame) => this.#onFrame(frame))
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('close', this.#onStreamClose)
    stream.addEventListener('remoteCloseWrite', this.#onStreamClose)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Nothing is being asked or answered. Streams of bytes are no request. */
  get idle(): boolean {
    const isQuiet = this.#writer.queuedBytes === 0 || this.#streams.size > 0
    return isQuiet && this.#outgoing.pending === 0 && this.#incoming.open === 0
  }

  /** Of bytes, opened by either side. */
  get streams(): number {
    return this.#streams.size
  }

  /** Requests of this side whose askers wait. */
  get pending(): number {
    return this.#outgoing.pending
  }

  get lastSentMs(): number {
    return this.#lastSentMs
  }

  /** Since when a frame has been arriving without an end. */
  get partialSinceMs(): number | undefined {
    return this.#partialSinceMs
  }

  request(payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#outgoing.request(payload, timeoutMs)
  }

  openStream(header: Uint8Array, timeoutMs: number): Promise<PeerStream> {
    return this.#streams.open(header, timeoutMs)
  }

  /** Resolves with the round trip's milliseconds; never when the peer is gone. */
  ping(): Promise<number> {
    return new Promise((resolve) => {
      this.#lastPing = (this.#lastPing + 1) >>> 0
      // A peer that answers none is suspected long before this grows.
      if (this.#pings.size >= pingsInFlightMax) this.#pings.clear()
      this.#pings.set(this.#lastPing, { sentMs: this.#clock.monotonicMs(), resolve })
      this.#send(encodeFrame(frameType.ping, this.#lastPing))
    })
  }

  /** Says that the other side may forget the stream too, once what is queued is out. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#writer.drained(1)
    this.#end(unreachable('the connection to the peer was closed'))
    await this.#stream.close().catch((error: Error) => this.#stream.abort(error))
  }

  abort(because: SkeinError): void {
    this.#end(because)
    this.#stream.abort(because)
  }

  #send(frame: Uint8Array): void {
    this.#lastSentMs = this.#clock.monotonicMs()
    this.#writer.write(frame)
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    if (this.#closed) return
    this.#settings.onReceived?.()
    try {
      const { data } = event
      if (data instanceof Uint8Array) this.#reader.push(data)
      else for (const part of data) this.#reader.push(part)
      if (!this.#reader.partial) this.#partialSinceMs = undefined
      else this.#partialSinceMs ??= this.#clock.monotonicMs()
    } catch (error) {
      const violation =
        error instanceof SkeinError ? error : new SkeinError('bad-frame', 'refused', 'a frame has no meaning', error)
      this.abort(violation)
      this.#settings.onViolation(violation)
    }
  }

  #onFrame(frame: Frame): void {
    // The frame before, of the same chunk, may have ended the channel.
    if (this.#closed) return
    this.#partialSinceMs = undefined
    switch (frame.type) {
      case frameType.request:
        this.#incoming.onRequest(frame)
        break
      case frameType.answer:
      case frameType.failure:
        this.#outgoing.onAnswer(frame)
        break
      case frameType.ping:
        // A peer that floods pings and takes no answers gets none.
        if (this.#writer.queuedBytes < meshLimits.answerBytesQueuedMax)
          this.#send(encodeFrame(frameType.pong, frame.id))
        break
      case frameType.pong:
        this.#onPong(frame.id)
        break
      default:
        // False: a later version's frame that this one need not understand.
        this.#streams.onFrame(frame)
    }
  }

  #onPong(id: number): void {
    const ping = this.#pings.get(id)
    if (ping === undefined) return
    this.#pings.delete(id)
    ping.resolve(this.#clock.monotonicMs() - ping.sentMs)
  }

  readonly #onStreamClose = (): void => {
    const wasOpen = !this.#closed
    this.#end(unreachable('the connection to the peer was lost'))
    // The other side closed its half: nothing can be answered any more.
    if (wasOpen && this.#stream.status === 'open') void this.#stream.close().catch((e: Error) => this.#stream.abort(e))
  }

  #end(because: SkeinError): void {
    if (this.#closed) return
    this.#closed = true
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.removeEventListener('close', this.#onStreamClose)
    this.#stream.removeEventListener('remoteCloseWrite', this.#onStreamClose)
    this.#writer.close()
    this.#incoming.close()
    this.#pings.clear()
    this.#outgoing.close(because)
    this.#streams.close(because)
    this.#settings.onClose?.()
  }
}

const pingsInFlightMax = 64
