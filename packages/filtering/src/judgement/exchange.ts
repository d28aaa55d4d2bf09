// Tells connected peers what this node has said since they last heard, again and again until they have all of it.
// One message serves for news, for a peer that comes back, and for one that lost something: "these follow number n".
import { type Clock, type Logger, type NodeId, type PeerLink, type Timer, SkeinError, decodeCbor } from '@skein/runtime'
import { judgementLimits } from './limits.ts'
import type { OwnWords } from './own-words.ts'
import { encodePush } from './record.ts'

export interface ExchangeComponents {
  link: PeerLink
  clock: Clock
  logger: Logger
  words(): OwnWords
}

interface Listener {
  /** Up to which number it has heard; undefined: not known yet. */
  heard: number | undefined
  isTalking: boolean
  /** Something came meanwhile. */
  again: boolean
}

export class JudgementExchange {
  readonly #parts: ExchangeComponents
  readonly #peers = new Map<NodeId, Listener>()
  #timer: Timer | undefined
  #stopWatching: (() => void) | undefined
  readonly #retries = new Set<Timer>()

  constructor(parts: ExchangeComponents) {
    this.#parts = parts
  }

  start(): void {
    const { link } = this.#parts
    this.#stopWatching = link.onPeerChange((peer, state) => {
      if (state === 'down') this.#peers.delete(peer)
      else this.#tell(peer)
    })
    for (const peer of link.connected()) this.#tell(peer)
  }

  stop(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
    this.#timer?.cancel()
    for (const retry of this.#retries) retry.cancel()
    this.#peers.clear()
  }

  tellSoon(): void {
    this.#timer ??= this.#parts.clock.setTimer(judgementLimits.shareDelayMs, () => {
      this.#timer = undefined
      if (!this.#stopWatching) return
      for (const peer of this.#parts.link.connected()) this.#tell(peer)
    })
  }

  #tell(peer: NodeId): void {
    let listener = this.#peers.get(peer)
    if (!listener) this.#peers.set(peer, (listener = { heard: undefined, isTalking: false, again: false }))
    if (listener.isTalking) {
      listener.again = true
      return
    }
    listener.isTalking = true
    void this.#talk(peer, listener).finally(() => {
      listener.isTalking = false
      if (!listener.again || this.#peers.get(peer) !== listener) return
      listener.again = false
      this.#tell(peer)
    })
  }

  async #talk(peer: NodeId, listener: Listener): Promise<void> {
    const { clock, logger, words } = this.#parts
    try {
      for (;;) {
        const { last } = words()
        if (listener.heard !== undefined && listener.heard >= last) return
        const before = listener.heard
        // The first message says nothing: the answer tells what is missing.
        const push =
          before === undefined
            ? { after: last, upTo: last, records: [] }
            : { after: before, ...words().since(before, judgementLimits.recordsPerPushMax) }
        const have = await this.#send(peer, encodePush(push))
        words().continueAbove(have, clock.nowMs() + judgementLimits.clockAheadMaxMs)
        listener.heard = have
        if (before !== undefined && have < push.upTo && have <= before) {
          throw new SkeinError('bad-judgement', 'refused', 'a peer takes nothing of what it is told')
        }
      }
    } catch (error) {
      listener.heard = undefined
      logger.debug({ peer, error: String(error) }, 'a peer could not be told about those who knock; again later')
      this.#tellLater(peer, listener)
    }
  }

  async #send(peer: NodeId, payload: Uint8Array): Promise<number> {
    const { link } = this.#parts
    const answer = decodeCbor(
      await link.request(peer, 'judge', payload, { timeoutMs: judgementLimits.pushTimeoutMs }),
    ) as { have?: unknown }
    if (typeof answer.have !== 'number' || !Number.isSafeInteger(answer.have) || answer.have < 0) {
      throw new SkeinError('bad-judgement', 'refused', 'a peer did not say what it has heard')
    }
    return answer.have
  }

  #tellLater(peer: NodeId, listener: Listener): void {
    const retry = this.#parts.clock.setTimer(judgementLimits.pushAgainMs, () => {
      this.#retries.delete(retry)
      if (this.#peers.get(peer) === listener) this.#tell(peer)
    })
    this.#retries.add(retry)
  }
}
