// The peer's requests on one stream. Nothing is begun while the peer does not take the answers it already has coming;
// a peer that asks more than its credit breaks the protocol. Each request gets exactly one answer.
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger } from '@skein/runtime'
import { encodeFailure } from './failure.ts'
import { encodeFrame, frameType, requestPrefixBytes } from './frame.ts'
import type { Frame } from './frame.ts'
import { meshLimits, wireLimits } from './settings.ts'
import type { StreamWriter } from './stream-writer.ts'

export type RequestHandler = (payload: Uint8Array) => Promise<Uint8Array>

/** After the asker's own time-out: it has given up by then, but its credit must come back. */
const answerGraceMs = 1_000

export class IncomingRequests {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #writer: StreamWriter
  readonly #handler: RequestHandler
  /** Not answered yet, with the size of each payload. */
  readonly #open = new Map<number, number>()
  #openBytes = 0
  #held: Frame[] = []
  #waitingForDrain = false
  #closed = false

  constructor(clock: Clock, logger: Logger, writer: StreamWriter, handler: RequestHandler) {
    this.#clock = clock
    this.#logger = logger
    this.#writer = writer
    this.#handler = handler
  }

  get open(): number {
    return this.#open.size
  }

  /** @throws SkeinError `bad-frame` or `credit-exceeded`: the peer does not keep the protocol. */
  onRequest(frame: Frame): void {
    if (frame.body.byteLength < requestPrefixBytes)
      throw new SkeinError('bad-frame', 'refused', 'a request is too short')
    if (this.#open.has(frame.id)) throw new SkeinError('bad-frame', 'refused', 'a request id is in use')
    const bytes = frame.body.byteLength - requestPrefixBytes
    if (bytes > wireLimits.payloadBytesMax) throw new SkeinError('bad-frame', 'refused', 'a request is too long')
    const tooMany = this.#open.size >= wireLimits.requestsInFlightMax
    if (tooMany || this.#openBytes + bytes > wireLimits.requestBytesInFlightMax) {
      throw new SkeinError('credit-exceeded', 'refused', 'the peer asks more than it may')
    }
    this.#open.set(frame.id, bytes)
    this.#openBytes += bytes
    if (this.#held.length > 0 || this.#writer.queuedBytes > meshLimits.answerBytesQueuedMax) this.#hold(frame)
    else this.#begin(frame)
  }

  close(): void {
    this.#closed = true
    this.#held = []
  }

  #hold(frame: Frame): void {
    this.#held.push(frame)
    if (this.#waitingForDrain) return
    this.#waitingForDrain = true
    void this.#writer.drained(meshLimits.answerBytesQueuedMax).then(() => {
      this.#waitingForDrain = false
      const held = this.#held
      this.#held = []
      for (const [at, waiting] of held.entries()) {
        if (this.#closed) return
        if (this.#writer.queuedBytes > meshLimits.answerBytesQueuedMax) {
          for (const rest of held.slice(at)) this.#hold(rest)
          return
        }
        this.#begin(waiting)
      }
    })
  }

  #begin({ id, body }: Frame): void {
    const askedMs = Buffer.from(body.buffer, body.byteOffset, requestPrefixBytes).readUInt32BE(0)
    const timeoutMs = Math.min(askedMs, wireLimits.requestTimeoutMaxMs) + answerGraceMs
    const timer = this.#clock.setTimer(timeoutMs, () => {
      this.#answer(id, frameType.failure, encodeFailure(tooLate, this.#logger))
    })
    this.#call(body.subarray(requestPrefixBytes)).then(
      (answer) => {
        timer.cancel()
        if (answer.byteLength <= wireLimits.payloadBytesMax) this.#answer(id, frameType.answer, answer)
        else this.#answer(id, frameType.failure, encodeFailure(new Error('an answer is too long'), this.#logger))
      },
      (error: unknown) => {
        timer.cancel()
        this.#answer(id, frameType.failure, encodeFailure(error, this.#logger))
      },
    )
  }

  #call(payload: Uint8Array): Promise<Uint8Array> {
    try {
      return this.#handler(payload)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #answer(id: number, type: number, body: Uint8Array): void {
    const bytes = this.#open.get(id)
    // Answered already: a handler that came back after its time.
    if (bytes === undefined || this.#closed) return
    this.#open.delete(id)
    this.#openBytes -= bytes
    this.#writer.write(encodeFrame(type, id, body))
  }
}

const tooLate = new SkeinError('request-timeout', 'temporary', 'the request took too long')
