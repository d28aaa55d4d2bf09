// The origin's side of a hand-over: offers a letter to a peer, lets it go, waits for the peer's word of what came of it.
// Promises: before the grant is durable here nobody may send; after it only the peer's word, or its loss, brings the letter
// back. Every step is repeated until it is answered; each may be lost, doubled or cut off by a crash.
import type { Directory } from '@skein/accounts'
import { splitAddress } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import {
  isErrorCode,
  peerLimits,
  SkeinError,
  sleep,
  type Clock,
  type Logger,
  type NodeId,
  type PeerLink,
  type Random,
  type Timer,
} from '@skein/runtime'
import type { LetterKeeper } from './letter-keeper.ts'
import type { DeliveryLimits } from './limits.ts'
import type { DeliveryResult, HandOver, QueueId, QueueItem, QueueRecipient } from './ports.ts'
import { handOversOf } from './queue/hand-over.ts'
import type { Outcome } from './queue.ts'
import { refusalCause, type RefusalCause } from './refusal-cause.ts'
import {
  decodeRelayReply,
  encodeRelay,
  relayProtocolVersion,
  type RelayReply,
  type RelayRequest,
  type RelayResult,
} from './relay-wire.ts'
import { resultOf } from './relay-results.ts'
import { retryPauseMs } from './retry-schedule.ts'

export interface HandOverDeskComponents {
  keeper: LetterKeeper
  link: PeerLink
  log: MessageLog
  directory: Directory
  clock: Clock
  random: Random
  logger: Logger
  newId(): string
  /** How a domain answered a peer's address. */
  learned(domain: string, node: NodeId, result: DeliveryResult, cause: RefusalCause): void
}

/** A ticket that is not settled. */
interface Ticket {
  ticket: string
  id: QueueId
  node: NodeId
  /** Of the peer, about this ticket or at all. */
  heardMs: number
  asking: boolean
  /** The grant is on the disk here: before that, a crash would give the letter to another. */
  mayGo: boolean
}

const recallLookMs = 25

export class HandOverDesk {
  readonly #parts: HandOverDeskComponents
  readonly #limits: DeliveryLimits
  readonly #tickets = new Map<string, Ticket>()
  readonly #busyUntilMs = new Map<NodeId, number>()
  /** Outcomes that are being written down: the peer may forget only what is on the disk here, however often it says it. */
  readonly #settling = new Map<string, Promise<void>>()
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #working = new Set<Promise<void>>()
  readonly #unsubscribe: (() => void)[] = []
  #offering = 0
  #timer: Timer | undefined
  #started = false

  constructor(components: HandOverDeskComponents, limits: DeliveryLimits) {
    this.#parts = components
    this.#limits = limits
  }

  /** Goes on with what the last run left: without a grant nobody has sent, with one the peer is asked. */
  start(): void {
    const { keeper, clock, link, directory } = this.#parts
    this.#started = true
    const nowMs = clock.nowMs()
    for (const { item } of keeper.letters()) {
      for (const { handOver } of handOversOf(item)) {
        if (handOver.phase === 'granted') this.#add(item.id, handOver, nowMs)
        else this.#notTaken(item.id, handOver.ticket, 'this node stopped before the peer had it', false)
      }
    }
    this.#unsubscribe.push(
      link.onPeerChange((peer, state) => {
        if (state === 'up') this.#askAbout((it) => it.node === peer)
      }),
      directory.onChange(() => this.#dropEvicted()),
    )
    this.#askAbout(() => true)
    this.#setTimer()
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#timer?.cancel()
    this.#waiting.length = 0
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    // What waits for a peer's answer is left to the next run; nothing here is more than the disk knows.
    this.#tickets.clear()
  }

  /** Takes as many letters as it may have, or has just said that it wants no more. */
  isBusy(node: NodeId): boolean {
    if ((this.#busyUntilMs.get(node) ?? 0) > this.#parts.clock.nowMs()) return true
    let has = 0
    for (const it of this.#tickets.values()) if (it.node === node) has++
    return has >= this.#limits.handOversPerPeerMax
  }

  begin(id: QueueId, indexes: readonly number[], node: NodeId, why: string): void {
    const { keeper, clock, newId } = this.#parts
    const ticket = newId()
    const atMs = clock.nowMs()
    this.#tickets.set(ticket, { ticket, id, node, heardMs: atMs, asking: false, mayGo: false })
    const stored = keeper.applyDurably(id, { event: 'offered', atMs, indexes, node, ticket, why })
    this.#waiting.push(async () => {
      await stored
      await this.#offer(id, ticket)
    })
    this.#offerNext()
    this.#setTimer()
  }

  /** An operator's word about a letter that a peer has: asks it back, or asks the peer to hurry. Resolves when it is back, or after a while. */
  async recall(id: QueueId): Promise<void> {
    const { clock } = this.#parts
    this.#askAbout((it) => it.id === id)
    const endMs = clock.monotonicMs() + this.#limits.recallWaitMs
    while (this.#isGranted(id) && clock.monotonicMs() < endMs && this.#started) await sleep(clock, recallLookMs)
  }

  hurry(id: QueueId): void {
    this.#askAbout((it) => it.id === id, true)
  }

  /** May the peer send what it has staged? */
  wordFor(from: NodeId, ticket: string, stage: string): 'go' | 'wait' | 'void' {
    return wordFor(this.#handOver(from, ticket), stage, this.#tickets.get(ticket)?.mayGo ?? false)
  }

  /** The peer's word about all that it had. Resolves when it is on the disk here, or was there before. */
  async settle(from: NodeId, ticket: string, stage: string, results: readonly RelayResult[]): Promise<void> {
    const settling = this.#settling.get(ticket)
    if (settling) return settling
    const handOver = this.#handOver(from, ticket)
    const open = this.#tickets.get(ticket)
    // Nothing is known here of that ticket, or not of that stage: what came of it is of no more use.
    if (!handOver || !open || handOver.phase !== 'granted' || handOver.stage !== stage) return
    await this.#settle(open, handOver, results)
  }

  #handOver(node: NodeId, ticket: string): HandOver | undefined {
    const open = this.#tickets.get(ticket)
    return open?.node === node ? this.#find(open)?.handOver : undefined
  }

  #find({ id, ticket }: Ticket): { item: QueueItem; handOver: HandOver; recipients: QueueRecipient[] } | undefined {
    const item = this.#parts.keeper.get(id)?.item
    const found = item && handOversOf(item).find((it) => it.handOver.ticket === ticket)
    return found && { item, ...found }
  }

  #isGranted(id: QueueId): boolean {
    const item = this.#parts.keeper.get(id)?.item
    return item !== undefined && handOversOf(item).some((it) => it.handOver.phase === 'granted')
  }

  #add(id: QueueId, { ticket, node }: HandOver, heardMs: number): void {
    this.#tickets.set(ticket, { ticket, id, node, heardMs, asking: false, mayGo: true })
  }

  #offerNext(): void {
    while (this.#started && this.#offering < this.#limits.handOversAtOnceMax) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#offering++
      const work = next()
        .catch((error: unknown) => this.#parts.logger.error({ err: error }, 'a hand-over failed'))
        .finally(() => {
          this.#offering--
          this.#working.delete(work)
          this.#offerNext()
        })
      this.#working.add(work)
    }
  }

  async #offer(id: QueueId, ticket: string): Promise<void> {
    const { keeper, logger, clock } = this.#parts
    const open = this.#tickets.get(ticket)
    const found = open && this.#find(open)
    // An operator was faster.
    if (!open || !found || found.handOver.phase !== 'offered') return void this.#tickets.delete(ticket)
    let reply: RelayReply
    try {
      reply = await this.#send(open.node, ticket, found.item, found.recipients)
    } catch (error) {
      if (!(error instanceof SkeinError)) logger.error({ err: error, queueId: id }, 'a letter could not be offered')
      return this.#notTaken(id, ticket, error instanceof SkeinError ? error.message : 'internal error', true)
    }
    if (this.#find(open)?.handOver.phase !== 'offered') return void this.#tickets.delete(ticket)
    if (reply.t === 'staged') {
      open.heardMs = clock.nowMs()
      await keeper.applyDurably(id, { event: 'granted', ticket, stage: reply.stage })
      open.mayGo = true
      return this.#ask(open, false)
    }
    if (reply.t !== 'declined') return this.#notTaken(id, ticket, 'an answer that means nothing', true)
    if (reply.again) this.#busyUntilMs.set(open.node, clock.nowMs() + this.#limits.handOverBusyMs)
    const { code, status, text } = reply
    this.#tickets.delete(ticket)
    const kind = reply.again ? ('temporary' as const) : ('permanent' as const)
    const result = { atMs: clock.nowMs(), kind, code, status, text, courier: 'peer' as const, hop: open.node }
    keeper.apply(id, { event: 'not-taken', atMs: clock.nowMs(), ticket, result, refused: !reply.again })
  }

  /** @param isSilent the peer is left alone for a moment */
  #notTaken(id: QueueId, ticket: string, text: string, isSilent: boolean): void {
    const { keeper, clock } = this.#parts
    const open = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    const atMs = clock.nowMs()
    if (isSilent && open) this.#busyUntilMs.set(open.node, atMs + this.#limits.handOverBusyMs)
    const hop = open?.node ?? ''
    const result = { atMs, kind: 'temporary' as const, code: 451, status: '4.4.1', text, courier: 'peer' as const, hop }
    if (keeper.get(id)) keeper.apply(id, { event: 'not-taken', atMs, ticket, result, refused: false })
  }

  async #send(
    node: NodeId,
    ticket: string,
    item: QueueItem,
    recipients: readonly QueueRecipient[],
  ): Promise<RelayReply> {
    const { log } = this.#parts
    const skip = item.returnPathBytes ?? 0
    const size = item.blob.length - skip
    const isSmall = size <= this.#limits.peerInlineBytesMax
    const timeoutMs = this.#limits.handOverOfferTimeoutMs
    let reply = await this.#request(
      node,
      {
        t: 'offer',
        v: relayProtocolVersion,
        ticket,
        letter: item.id,
        from: item.from,
        recipients: recipients.map(({ index, address, options, forwardedFor }) => {
          return { index, address, ...(options && { options }), ...(forwardedFor !== undefined && { forwardedFor }) }
        }),
        size,
        messageId: item.messageId,
        smtpUtf8: item.smtpUtf8,
        eightBit: item.eightBit,
        ...(item.options && { options: item.options }),
        body: isSmall ? await log.read(item.blob, skip) : null,
      },
      timeoutMs,
    )
    if (reply.t !== 'send') return reply
    let offset = 0
    for await (const chunk of log.stream(item.blob, skip)) {
      for (let at = 0; at < chunk.length; at += peerLimits.peerChunkBytes) {
        const bytes = chunk.subarray(at, at + peerLimits.peerChunkBytes)
        reply = await this.#request(node, { t: 'data', ticket, offset, bytes }, timeoutMs)
        if (reply.t !== 'send') return reply
        offset += bytes.length
      }
    }
    return reply
  }

  /** About what peers have: how does it stand, or, where an operator wishes it, can it come back. */
  #askAbout(wanted: (ticket: Ticket) => boolean, hurry = false): void {
    for (const open of this.#tickets.values()) {
      if (!wanted(open) || this.#find(open)?.handOver.phase !== 'granted') continue
      void this.#ask(open, hurry).catch((error: unknown) => {
        this.#parts.logger.error({ err: error, queueId: open.id }, 'a peer could not be asked about a letter')
      })
    }
  }

  async #ask(open: Ticket, hurry: boolean): Promise<void> {
    const { clock, link } = this.#parts
    const { ticket, node } = open
    const handOver = this.#find(open)?.handOver
    if (!this.#started || !open.mayGo || handOver?.stage === undefined || !link.connected().includes(node)) return
    const { stage, wish } = handOver
    open.asking = true
    let reply: RelayReply
    try {
      reply = await this.#request(node, wish ? { t: 'recall', ticket, stage } : { t: 'go', ticket, stage, hurry })
    } catch (error) {
      // Asked again when the line is back, or by the clock.
      if (isErrorCode(error, 'peer-unreachable') || error instanceof SkeinError) return
      throw error
    } finally {
      open.asking = false
    }
    const now = this.#find(open)?.handOver
    if (reply.t !== 'state' || now?.stage !== stage || !this.#started) return
    open.heardMs = clock.nowMs()
    if (reply.state === 'unknown') this.#lost(open, 'knows nothing of it any more')
    else if (reply.state === 'done') await this.#settle(open, now, reply.results)
    // An operator's word that came meanwhile.
    else if (now.wish && !wish) await this.#ask(open, false)
  }

  #settle(open: Ticket, handOver: HandOver, results: readonly RelayResult[]): Promise<void> {
    const { ticket } = open
    const settling = this.#writeDown(open, handOver, results).finally(() => this.#settling.delete(ticket))
    this.#settling.set(ticket, settling)
    return settling
  }

  async #writeDown(open: Ticket, { node, wish }: HandOver, results: readonly RelayResult[]): Promise<void> {
    const { keeper, clock, random, learned } = this.#parts
    const found = this.#find(open)
    if (!found) return
    const atMs = clock.nowMs()
    const told = new Map(results.map((it) => [it.index, it]))
    const outcomes = found.recipients.map((recipient): Outcome => {
      const said = told.get(recipient.index)
      const result = resultOf(said, atMs, node)
      const retryAtMs = atMs + retryPauseMs('outside', recipient.attempts + 1, random)
      const base = { index: recipient.index, result, retryAtMs }
      // Came back unsent: as an operator here wished, or taken out by one over there.
      if (said?.end === 'recalled') return wish ? { ...base, recalled: true } : { ...base, refusedWay: node }
      const cause = refusalCause(result)
      learned(splitAddress(recipient.address).domain, node, result, cause)
      return cause === 'other' ? base : { ...base, refusedWay: node }
    })
    this.#tickets.delete(open.ticket)
    await keeper.applyDurably(open.id, { event: 'relayed', atMs, ticket: open.ticket, outcomes })
  }

  /** Nobody will say what came of it: better twice than not at all (RFC 5321 §4.5.3.2.6 decides alike where an answer is lost). */
  #lost(open: Ticket, why: string): void {
    const { keeper, clock, logger } = this.#parts
    const found = this.#find(open)
    this.#tickets.delete(open.ticket)
    if (!found) return
    const atMs = clock.nowMs()
    const text = `had the letter and ${why}: it may have sent it, so that it may come twice`
    logger.warn({ queueId: open.id, node: open.node, ticket: open.ticket }, `a peer ${text}`)
    const result = resultOf(undefined, atMs, open.node, text)
    const outcomes = found.recipients.map(({ index }) => ({ index, result, retryAtMs: atMs, refusedWay: open.node }))
    keeper.apply(open.id, { event: 'relayed', atMs, ticket: open.ticket, outcomes })
  }

  #dropEvicted(): void {
    const { directory } = this.#parts
    for (const open of this.#tickets.values()) {
      if (directory.node(open.node) || this.#find(open)?.handOver.phase !== 'granted') continue
      this.#lost(open, 'is no member of the mesh any more')
    }
  }

  #setTimer(): void {
    if (!this.#started || this.#timer || this.#tickets.size === 0) return
    const { clock } = this.#parts
    this.#timer = clock.setTimer(this.#limits.handOverAskMs, () => {
      this.#timer = undefined
      this.#lookAround()
      this.#setTimer()
    })
  }

  #lookAround(): void {
    const { clock, link } = this.#parts
    const connected = new Set(link.connected())
    const nowMs = clock.nowMs()
    for (const open of this.#tickets.values()) {
      if (this.#find(open)?.handOver.phase !== 'granted') continue
      if (nowMs - open.heardMs >= this.#limits.handOverSilentMaxMs && !connected.has(open.node)) {
        this.#lost(open, 'was not heard of for too long')
      }
    }
    this.#askAbout((it) => !it.asking && nowMs - it.heardMs >= this.#limits.handOverAskMs / 2)
  }

  async #request(node: NodeId, message: RelayRequest, timeoutMs?: number): Promise<RelayReply> {
    const options = timeoutMs === undefined ? {} : { timeoutMs }
    return decodeRelayReply(await this.#parts.link.request(node, 'relay', encodeRelay(message), options))
  }
}

/** Before the grant nothing is decided; a grant is for one stage; whatever else a peer has is of no more use. */
export function wordFor(handOver: HandOver | undefined, stage: string, isOnDisk: boolean): 'go' | 'wait' | 'void' {
  if (!handOver) return 'void'
  if (handOver.phase === 'offered' || !isOnDisk) return 'wait'
  return handOver.stage === stage ? 'go' : 'void'
}
