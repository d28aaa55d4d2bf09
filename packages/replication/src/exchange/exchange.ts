// The ledger on the wire: pushes this node's news to everybody it is connected with, passes on what others can't reach themselves, and
// compares with a few peers every few seconds, so that what was missed is found.
import { isErrorCode, SkeinError } from '@skein/runtime'
import type { Clock, Logger, NodeId, PeerLink, Random, Timer } from '@skein/runtime'
import { shortIdOf } from '../identity.ts'
import type { LedgerSettings } from '../limits.ts'
import type { MembershipLog } from '../membership/membership-log.ts'
import type { LedgerStore } from '../ports.ts'
import { readBatch } from '../streams/batch.ts'
import type { Batch } from '../streams/batch.ts'
import { readCheckpoint } from '../streams/checkpoint.ts'
import type { Checkpoint } from '../streams/checkpoint.ts'
import { streamKey } from '../streams/stream.ts'
import type { Snapshots } from '../streams/snapshots.ts'
import type { StreamTable } from '../streams/stream-table.ts'
import type { Streams } from '../streams/streams.ts'
import { Answering } from './answering.ts'
import { Comparison } from './comparison.ts'
import { Digests } from './digest.ts'
import { decodeLogRequest, encodeLogRequest } from './messages.ts'
import type { LogRequest } from './messages.ts'
import { newsOf, Outbox } from './outbox.ts'
import type { News } from './outbox.ts'

export interface ExchangeComponents {
  self: NodeId
  store: LedgerStore
  clock: Clock
  random: Random
  logger: Logger
  streams: Streams
  table: StreamTable
  snapshots: Snapshots
  membership: MembershipLog
  seqLimit(author: NodeId, document: string): number
}

export interface ExchangeEvents {
  /** A comparison with that peer ended with nothing missing here. */
  onSynced(peer: NodeId): void
}

const received = new TextEncoder().encode('')

export class Exchange {
  readonly #components: ExchangeComponents
  readonly #settings: LedgerSettings
  readonly #events: ExchangeEvents
  readonly #answering: Answering
  readonly #comparison: Comparison
  readonly #outboxes = new Map<NodeId, Outbox>()
  /** Comparisons under way, and whether another must follow. */
  readonly #comparing = new Map<NodeId, { running: Promise<void>; next: Promise<void> | undefined }>()
  readonly lastSyncMs = new Map<NodeId, number>()
  #link: PeerLink | undefined
  #stopListening: (() => void) | undefined
  #timer: Timer | undefined
  #closed = false

  constructor(components: ExchangeComponents, settings: LedgerSettings, events: ExchangeEvents) {
    this.#components = components
    this.#settings = settings
    this.#events = events
    const digests = new Digests(components.table)
    this.#answering = new Answering({ ...components, digests }, settings)
    this.#comparison = new Comparison(
      { ...components, digests, ask: (peer, request) => this.#ask(peer, request) },
      settings,
    )
  }

  attach(link: PeerLink): void {
    this.#link = link
    link.handle('log', (from, payload) => this.#handle(from, payload))
    this.#stopListening = link.onPeerChange((peer, state) => {
      if (state === 'down') this.#outboxes.delete(peer)
      else this.#up(peer)
    })
    for (const peer of link.connected()) this.#up(peer)
    this.#scheduleRound()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#stopListening?.()
    this.#outboxes.clear()
  }

  #up(peer: NodeId): void {
    if (!this.#isMember(peer)) return
    this.#compareSoon(peer)
  }

  #isMember(peer: NodeId): boolean {
    return this.#components.membership.state?.members.has(peer) ?? false
  }

  #peers(): NodeId[] {
    return (this.#link?.connected() ?? []).filter((peer) => peer !== this.#components.self && this.#isMember(peer))
  }

  async #ask(peer: NodeId, request: LogRequest): Promise<Uint8Array> {
    if (!this.#link || this.#closed) throw new SkeinError('peer-unreachable', 'temporary', 'this node is not connected')
    return this.#link.request(peer, 'log', encodeLogRequest(request), { timeoutMs: this.#settings.requestTimeoutMs })
  }

  async #handle(from: NodeId, payload: Uint8Array): Promise<Uint8Array> {
    if (!this.#isMember(from)) throw new SkeinError('not-a-member', 'refused', 'only members of the mesh are answered')
    if (this.#closed) throw new SkeinError('shutting-down', 'temporary', 'this node is stopping')
    const request = decodeLogRequest(payload)
    if (request.kind !== 'push') return this.#answering.answer(request)
    await this.#takePush(from, request)
    return received
  }

  // Pushing

  /** This node's own news, to everybody at once. */
  announce(kind: 'membership' | 'batches' | 'checkpoints', records: Uint8Array[]): void {
    const peers = this.#peers()
    const members = this.#components.membership.state?.members.size ?? 1
    const reach = peers.length >= members - 1 ? null : [...peers, this.#components.self].map(shortIdOf)
    this.#send(peers, newsOf(kind, records, reach))
  }

  #send(peers: readonly NodeId[], news: News): void {
    if (news.membership.length + news.batches.length + news.checkpoints.length === 0) return
    for (const peer of peers) this.#outbox(peer).put(news)
  }

  #outbox(peer: NodeId): Outbox {
    let outbox = this.#outboxes.get(peer)
    if (!outbox) {
      const send = async (payload: Uint8Array) => {
        if (!this.#link || this.#closed) throw new SkeinError('peer-unreachable', 'temporary', 'not connected')
        await this.#link.request(peer, 'log', payload, { timeoutMs: this.#settings.requestTimeoutMs })
      }
      outbox = new Outbox(send, this.#settings)
      this.#outboxes.set(peer, outbox)
    }
    return outbox
  }

  async #takePush(from: NodeId, push: LogRequest & { kind: 'push' }): Promise<void> {
    const { membership, streams, table } = this.#components
    const meshId = membership.required.meshId
    let gap = push.compare
    const news: News = { reach: null, membership: [], batches: [], checkpoints: [] }
    if (push.membership.length > 0) {
      const accepted = await membership.accept(push.membership)
      if (accepted.added > 0) news.membership = push.membership
      gap ||= accepted.gap
    }
    const byStream = new Map<string, Batch[]>()
    for (const bytes of push.batches) {
      const batch = readBatch(bytes, meshId)
      const key = streamKey(batch)
      const list = byStream.get(key)
      if (list) list.push(batch)
      else byStream.set(key, [batch])
    }
    const results = await Promise.all(
      [...byStream.values()].map((batches) => streams.accept(batches[0] as Batch, batches)),
    )
    for (const { applied, gap: missing } of results) {
      news.batches.push(...applied.map(({ bytes }) => bytes))
      gap ||= missing
    }
    for (const bytes of push.checkpoints) {
      const checkpoint = readCheckpoint(bytes, meshId)
      if (checkpoint.seq <= table.state(checkpoint).checkpointSeq) continue
      news.checkpoints.push(bytes)
      // Takes its time; the peer need not wait for it.
      void this.#takeCheckpoint(from, checkpoint)
    }
    this.#passOn(from, push.reach, news)
    if (gap) this.#compareSoon(from)
  }

  async #takeCheckpoint(from: NodeId, checkpoint: Checkpoint): Promise<void> {
    try {
      await this.#comparison.takeCheckpoint(from, checkpoint, null)
    } catch (error) {
      this.#report(from, error)
    }
  }

  /** To those whom the sender could not reach. */
  #passOn(from: NodeId, reach: string[] | null, news: News): void {
    if (reach === null) return
    const reached = new Set(reach)
    const others = this.#peers().filter((peer) => peer !== from && !reached.has(shortIdOf(peer)))
    if (others.length === 0) return
    this.#send(others, { ...news, reach: [...reach, ...others.map(shortIdOf), shortIdOf(this.#components.self)] })
  }

  // Comparing

  #scheduleRound(): void {
    if (this.#closed) return
    const { clock, random } = this.#components
    this.#timer = clock.setTimer(this.#settings.syncIntervalMs * (0.75 + random.next() / 2), () => {
      const peers = this.#peers()
      for (let left = this.#settings.syncPeersPerRound; left > 0 && peers.length > 0; left--) {
        const [peer] = peers.splice(Math.floor(random.next() * peers.length), 1)
        if (peer !== undefined) this.#compareSoon(peer)
      }
      this.#scheduleRound()
    })
  }

  #compareSoon(peer: NodeId): void {
    this.compare(peer).catch((error: unknown) => this.#report(peer, error))
  }

  #report(peer: NodeId, error: unknown): void {
    const quiet = isErrorCode(error, 'peer-unreachable') || this.#closed
    this.#components.logger[quiet ? 'debug' : 'warn']({ peer, error }, 'comparing ledgers failed')
  }

  /** A comparison that starts after this call: of those asked for while one runs, one follows. */
  compare(peer: NodeId): Promise<void> {
    const current = this.#comparing.get(peer)
    if (current) {
      current.next ??= current.running.then(
        () => this.compare(peer),
        () => this.compare(peer),
      )
      return current.next
    }
    const running = this.#compareNow(peer)
    this.#comparing.set(peer, { running, next: undefined })
    return running
  }

  async #compareNow(peer: NodeId): Promise<void> {
    try {
      const news = await this.#comparison.with(peer)
      this.lastSyncMs.set(peer, this.#components.clock.nowMs())
      this.#events.onSynced(peer)
      if (news) this.#nudgeOthers(peer)
    } finally {
      this.#comparing.delete(peer)
    }
  }

  /** What came by comparison may be news to those who are connected with this node only. */
  #nudgeOthers(source: NodeId): void {
    const { random } = this.#components
    const peers = this.#peers().filter((peer) => peer !== source)
    for (let left = this.#settings.syncPeersPerRound; left > 0 && peers.length > 0; left--) {
      const [peer] = peers.splice(Math.floor(random.next() * peers.length), 1)
      if (peer !== undefined) this.#outbox(peer).nudge()
    }
  }

  async idle(): Promise<void> {
    await Promise.allSettled([...this.#comparing.values()].map(({ running }) => running))
  }
}
