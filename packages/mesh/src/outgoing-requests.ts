// This side's requests on one stream: credit, waiting, time-outs. A request that timed out keeps its credit until the peer
// has answered it, for the peer still works on it; so a slow peer slows its askers instead of being buried.
import { SkeinError } from '@skein/runtime'
import type { Clock, Timer } from '@skein/runtime'
import { decodeFailure, unreachable } from './failure.ts'
import { encodeRequest, frameType } from './frame.ts'
import type { Frame } from './frame.ts'
import { meshLimits, wireLimits } from './settings.ts'

interface Asked {
  bytes: number
  timer: Timer
  /** Undefined once the asker has given up. */
  settle: { resolve: (answer: Uint8Array) => void; reject: (error: SkeinError) => void } | undefined
}

interface Waiting extends Asked {
  payload: Uint8Array
  deadlineMs: number
}

export class OutgoingRequests {
  readonly #clock: Clock
  readonly #send: (frame: Uint8Array) => void
  readonly #asked = new Map<number, Asked>()
  readonly #waiting = new Set<Waiting>()
  #bytesInFlight = 0
  #lastId = 0
  #closedBecause: SkeinError | undefined

  constructor(clock: Clock, send: (frame: Uint8Array) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** Requests whose asker still waits. */
  get pending(): number {
    let count = this.#waiting.size
    for (const asked of this.#asked.values()) if (asked.settle !== undefined) count += 1
    return count
  }

  request(payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#closedBecause !== undefined) return Promise.reject(this.#closedBecause)
    if (payload.byteLength > wireLimits.payloadBytesMax) {
      return Promise.reject(new SkeinError('payload-too-big', 'refused', 'the request is longer than the mesh carries'))
    }
    if (this.#waiting.size >= meshLimits.requestsWaitingMax) {
      return Promise.reject(unreachable('too many requests wait for this peer'))
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        payload,
        bytes: payload.byteLength,
        deadlineMs: this.#clock.monotonicMs() + timeoutMs,
        timer: this.#clock.setTimer(timeoutMs, () => this.#giveUp(waiting)),
        settle: { resolve, reject },
      }
      if (this.#waiting.size === 0 && this.#hasCreditFor(waiting)) this.#ask(waiting)
      else this.#waiting.add(waiting)
    })
  }

  /** Takes an answer or failure. @throws SkeinError `bad-frame` when it answers nothing that was asked. */
  onAnswer(frame: Frame): void {
    const asked = this.#asked.get(frame.id)
    if (asked === undefined) throw new SkeinError('bad-frame', 'refused', 'an answer to nothing that was asked')
    const failure = frame.type === frameType.failure ? decodeFailure(frame.body) : undefined
    this.#asked.delete(frame.id)
    this.#bytesInFlight -= asked.bytes
    asked.timer.cancel()
    if (failure === undefined) asked.settle?.resolve(frame.body)
    else asked.settle?.reject(failure)
    this.#askWaiting()
  }

  close(because: SkeinError): void {
    if (this.#closedBecause !== undefined) return
    this.#closedBecause = because
    for (const asked of [...this.#asked.values(), ...this.#waiting]) {
      asked.timer.cancel()
      asked.settle?.reject(because)
    }
    this.#asked.clear()
    this.#waiting.clear()
  }

  #askWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasCreditFor(waiting)) return
      this.#waiting.delete(waiting)
      this.#ask(waiting)
    }
  }

  #hasCreditFor(waiting: Waiting): boolean {
    if (this.#asked.size >= wireLimits.requestsInFlightMax) return false
    return this.#bytesInFlight + waiting.bytes <= wireLimits.requestBytesInFlightMax
  }

  #ask(waiting: Waiting): void {
    do this.#lastId = (this.#lastId + 1) >>> 0
    while (this.#asked.has(this.#lastId))
    this.#asked.set(this.#lastId, waiting)
    this.#bytesInFlight += waiting.bytes
    const leftMs = Math.max(1, Math.ceil(waiting.deadlineMs - this.#clock.monotonicMs()))
    this.#send(encodeRequest(this.#lastId, Math.min(leftMs, wireLimits.requestTimeoutMaxMs), waiting.payload))
    waiting.payload = empty
  }

  #giveUp(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    const settle = waiting.settle
    waiting.settle = undefined
    settle?.reject(unreachable('the peer did not answer in time'))
  }
}

const empty = new Uint8Array(0)
