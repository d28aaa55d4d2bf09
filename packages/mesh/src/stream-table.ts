// All streams of bytes on one channel: opening and refusing, credit, and whose turn it is. Those that have something to send
// take turns, a chunk each, and no more is queued than a batch: a long letter never makes another session wait for its line.
import { SkeinError } from '@skein/runtime'
import type { Clock, PeerStream, Timer } from '@skein/runtime'
import { ByteStream } from './byte-stream.ts'
import type { ByteStreamHost } from './byte-stream.ts'
import { decodeFailure, encodeFailure, unreachable } from './failure.ts'
import { encodeFrame, encodeNumberFrame, frameType } from './frame.ts'
import type { Frame } from './frame.ts'
import { meshLimits, wireLimits } from './settings.ts'
import type { ChannelComponents } from './channel.ts'
import type { StreamWriter } from './stream-writer.ts'

/** As PeerStreamHandler, of the peer at the other end. */
export type OpenHandler = (header: Uint8Array) => Promise<(stream: PeerStream) => void>

export interface StreamTableSettings {
  /** Undefined: the peer opens none on this channel. */
  handler?: OpenHandler
  send(frame: Uint8Array): void
}

interface Opening {
  resolve: (stream: PeerStream) => void
  reject: (error: SkeinError) => void
  timer: Timer
}

export class StreamTable implements ByteStreamHost {
  readonly clock: Clock
  readonly #with: ChannelComponents
  readonly #writer: StreamWriter
  readonly #settings: StreamTableSettings
  readonly #streams = new Map<number, ByteStream>()
  readonly #opening = new Map<number, Opening>()
  /** Streams that have something to send and credit for it, in turn. */
  readonly #turns: ByteStream[] = []
  #lastId = 0
  #extraWindowBytes = 0
  #sending = false
  #waitingForDrain = false
  #closedBecause: SkeinError | undefined

  constructor(components: ChannelComponents, writer: StreamWriter, settings: StreamTableSettings) {
    this.#with = components
    this.clock = components.clock
    this.#writer = writer
    this.#settings = settings
  }

  get size(): number {
    return this.#streams.size
  }

  open(header: Uint8Array, timeoutMs: number): Promise<PeerStream> {
    if (this.#closedBecause !== undefined) return Promise.reject(this.#closedBecause)
    if (header.byteLength > wireLimits.streamHeaderBytesMax) {
      return Promise.reject(new SkeinError('payload-too-big', 'refused', 'the header is longer than the mesh carries'))
    }
    if (this.#streams.size >= wireLimits.streamsMax) return Promise.reject(tooManyStreams())
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#streams.has(this.#lastId))
    const stream = new ByteStream(this, this.#lastId)
    this.#streams.set(stream.id, stream)
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(timeoutMs, () => stream.destroy(unreachable('the peer did not answer in time')))
      this.#opening.set(stream.id, { resolve, reject, timer })
      this.#settings.send(encodeFrame(frameType.open, stream.id, header))
    })
  }

  /** @returns false for a frame of another kind. @throws SkeinError: the peer does not keep the protocol. */
  onFrame(frame: Frame): boolean {
    if (frame.type === frameType.open) {
      this.#onOpen(frame)
      return true
    }
    if (frame.type < frameType.opened || frame.type > frameType.reset) return false
    const stream = this.#streams.get(frame.id)
    // It was destroyed here before the other end could hear of it.
    if (stream === undefined) return true
    if (frame.type === frameType.opened) this.#onOpened(stream)
    else if (frame.type === frameType.data) stream.receive(frame.body as Buffer)
    else if (frame.type === frameType.credit) stream.addCredit(numberOf(frame))
    else if (frame.type === frameType.end) stream.receiveEnd()
    else this.#onReset(stream, frame)
    return true
  }

  close(because: SkeinError): void {
    if (this.#closedBecause !== undefined) return
    this.#closedBecause = because
    for (const stream of this.#streams.values()) stream.destroy(because)
    this.#turns.length = 0
  }

  /* ---------------------------------------------------------------- for the streams */

  ready(stream: ByteStream): void {
    if (stream.queued || this.#closedBecause !== undefined) return
    stream.queued = true
    this.#turns.push(stream)
    if (!this.#sending) this.#sendInTurn()
  }

  failed(error: unknown): void {
    this.#with.logger.error({ err: error }, 'the reader of a stream of the mesh failed')
  }

  grant(stream: ByteStream, bytes: number): void {
    this.#settings.send(encodeNumberFrame(frameType.credit, stream.id, bytes))
  }

  ended(stream: ByteStream): void {
    this.#settings.send(encodeFrame(frameType.end, stream.id))
  }

  mayGrow(bytes: number): boolean {
    if (this.#extraWindowBytes + bytes > meshLimits.streamWindowsExtraBytesMax) return false
    this.#extraWindowBytes += bytes
    return true
  }

  destroyed(stream: ByteStream, because: SkeinError | undefined): void {
    if (!this.#streams.delete(stream.id)) return
    this.#extraWindowBytes -= stream.extraWindowBytes
    const opening = this.#opening.get(stream.id)
    if (opening !== undefined) {
      this.#opening.delete(stream.id)
      opening.timer.cancel()
      opening.reject(because ?? unreachable('the stream ended before it began'))
    }
    if (because === undefined || this.#closedBecause !== undefined) return
    this.#settings.send(encodeFrame(frameType.reset, stream.id, encodeFailure(because, this.#with.logger)))
  }

  /* ---------------------------------------------------------------- frames */

  #onOpen({ id, body }: Frame): void {
    const { handler } = this.#settings
    if (handler === undefined || this.#streams.has(id)) {
      throw new SkeinError('bad-frame', 'refused', 'a stream is opened where none can be')
    }
    if (body.byteLength > wireLimits.streamHeaderBytesMax) {
      throw new SkeinError('bad-frame', 'refused', 'the header of a stream is too long')
    }
    const refuse = (error: unknown) =>
      this.#settings.send(encodeFrame(frameType.reset, id, encodeFailure(error, this.#with.logger)))
    if (this.#streams.size >= wireLimits.streamsMax) return refuse(tooManyStreams())
    const stream = new ByteStream(this, id)
    this.#streams.set(id, stream)
    Promise.resolve(body)
      .then(handler)
      .then(
        (taker) => {
          if (!stream.destroyed) {
            this.#settings.send(encodeFrame(frameType.opened, id))
            stream.begin()
          }
          taker(stream)
        },
        (error: unknown) => {
          if (!this.#streams.delete(id)) return
          refuse(error)
          // Nobody has it yet: what else it would say is said.
          stream.destroy()
        },
      )
      .catch((error: unknown) => {
        this.#with.logger.error({ err: error }, 'a stream of the mesh could not be taken')
        stream.destroy()
      })
  }

  #onOpened(stream: ByteStream): void {
    const opening = this.#opening.get(stream.id)
    if (opening === undefined) throw new SkeinError('bad-frame', 'refused', 'a stream was accepted twice')
    this.#opening.delete(stream.id)
    opening.timer.cancel()
    stream.begin()
    opening.resolve(stream)
  }

  #onReset(stream: ByteStream, frame: Frame): void {
    const because = decodeFailure(frame.body)
    const opening = this.#opening.get(stream.id)
    this.#opening.delete(stream.id)
    opening?.timer.cancel()
    this.#streams.delete(stream.id)
    this.#extraWindowBytes -= stream.extraWindowBytes
    opening?.reject(because)
    stream.destroy(because)
  }

  #sendInTurn(): void {
    this.#sending = true
    while (this.#turns.length > 0 && this.#writer.queuedBytes < meshLimits.writeBatchBytes) {
      const stream = this.#turns.shift()!
      stream.queued = false
      const chunk = stream.nextChunk(wireLimits.streamChunkBytesMax)
      if (chunk === undefined) continue
      this.#settings.send(encodeFrame(frameType.data, stream.id, chunk))
      stream.taken()
      if (!stream.sendable || stream.queued) continue
      stream.queued = true
      this.#turns.push(stream)
    }
    this.#sending = false
    if (this.#turns.length === 0 || this.#waitingForDrain) return
    this.#waitingForDrain = true
    void this.#writer.drained(meshLimits.writeBatchBytes).then(() => {
      this.#waitingForDrain = false
      if (this.#closedBecause === undefined) this.#sendInTurn()
    })
  }
}

function tooManyStreams(): SkeinError {
  return new SkeinError('too-many-streams', 'temporary', 'too many streams stand between these two nodes')
}

function numberOf({ body }: Frame): number {
  if (body.byteLength !== 4) throw new SkeinError('bad-frame', 'refused', 'a number has four bytes')
  return Buffer.from(body.buffer, body.byteOffset, 4).readUInt32BE(0)
}
