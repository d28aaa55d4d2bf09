// The peer's requests on one stream. Nothing is begun while the peer does not take the answers it already has coming;
// a peer that asks more than its credit breaks the protocol. Each request gets exactly one answer, in its time.
import { SkeinError } from '@skein/runtime'
import type { Clock, Logger, Timer } from '@skein/runtime'
import { encodeFailure } from './failure.ts'
import { encodeFrame, frameType, requestPrefixBytes } from './frame.ts'
import type { Frame } from './frame.ts'
import { meshLimits, wireLimits } from './settings.ts'
import type { StreamWriter } from './stream-writer.ts'

export type RequestHandler = (payload: Uint8Array) => Promise<Uint8Array>

/** After the asker's own time-out: it has given up by then, but its credit must come back. */
const answerGraceMs = 1_000
/** The weight of the newest answer in the average. */
const newestWeight = 1 / 8

interface OpenRequest {
  id: number
  payload: Uint8Array
  /** Of the payload. */
  bytes: number
  timer: Timer
  running: boolean
}

export class IncomingRequests {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #writer: StreamWriter
  readonly #handler: RequestHandler
  /** Not answered yet, begun or not. */
  readonly #open = new Map<number, OpenRequest>()
  readonly #held = new Set<OpenRequest>()
  #openBytes = 0
  #running = 0
  /** A moving average of the answers' sizes: what each of those that run will add to the queue. */
  #answerBytesExpected: number = meshLimits.answerBytesExpectedAtFirst
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
  onRequest({ id, body }: Frame): void {
    const bytes = body.byteLength - requestPrefixBytes
    if (bytes < 0) throw new SkeinError('bad-frame', 'refused', 'a request is too short')
    if (bytes > wireLimits.payloadBytesMax) throw new SkeinError('bad-frame', 'refused', 'a request is too long')
    if (this.#open.has(id)) throw new SkeinError('bad-frame', 'refused', 'a request id is in use')
    const tooMany = this.#open.size >= wireLimits.requestsInFlightMax
    if (tooMany || this.#openBytes + bytes > wireLimits.requestBytesInFlightMax) {
      throw new SkeinError('credit-exceeded', 'refused', 'the peer asks more than it may')
    }
    const askedMs = Buffer.from(body.buffer, body.byteOffset, requestPrefixBytes).readUInt32BE(0)
    const timeoutMs = Math.min(askedMs, wireLimits.requestTimeoutMaxMs) + answerGraceMs
    const request: OpenRequest = {
      id,
      payload: body.subarray(requestPrefixBytes),
      bytes,
      timer: this.#clock.setTimer(timeoutMs, () => this.#fail(request, tooLate)),
      running: false,
    }
    this.#open.set(id, request)
    this.#openBytes += bytes
    this.#held.add(request)
    this.#beginHeld()
  }

  close(): void {
    this.#closed = true
    for (const request of this.#open.values()) request.timer.cancel()
    this.#open.clear()
    this.#held.clear()
  }

  #beginHeld(): void {
    for (const request of this.#held) {
      const comingBytes = this.#writer.queuedBytes + this.#running * this.#answerBytesExpected
      if (this.#closed || comingBytes > meshLimits.answerBytesQueuedMax) break
      this.#held.delete(request)
      this.#begin(request)
    }
    // Those that run go on with the rest when they end; with none running only the peer's taking does.
    if (this.#held.size === 0 || this.#running > 0 || this.#waitingForDrain || this.#closed) return
    this.#waitingForDrain = true
    void this.#writer.drained(meshLimits.answerBytesQueuedMax).then(() => {
      this.#waitingForDrain = false
      this.#beginHeld()
    })
  }

  #begin(request: OpenRequest): void {
    request.running = true
    this.#running += 1
    this.#call(request.payload).then(
      (answer) => {
        this.#answerBytesExpected += (answer.byteLength - this.#answerBytesExpected) * newestWeight
        if (answer.byteLength <= wireLimits.payloadBytesMax) this.#answer(request, frameType.answer, answer)
        else this.#fail(request, new Error('an answer is longer than the mesh carries'))
      },
      (error: unknown) => this.#fail(request, error),
    )
  }

  #call(payload: Uint8Array): Promise<Uint8Array> {
    try {
      return this.#handler(payload)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #fail(request: OpenRequest, error: unknown): void {
    this.#answer(request, frameType.failure, encodeFailure(error, this.#logger))
  }

  #answer(request: OpenRequest, type: number, body: Uint8Array): void {
    // Answered already: a handler that came back after its time. One that never comes back counts as running no more.
    if (this.#closed || !this.#open.delete(request.id)) return
    request.timer.cancel()
    this.#openBytes -= request.bytes
    this.#held.delete(request)
    if (request.running) this.#running -= 1
    this.#writer.write(encodeFrame(type, request.id, body))
    this.#beginHeld()
  }
}

const tooLate = new SkeinError('request-timeout', 'temporary', 'the request took too long')
