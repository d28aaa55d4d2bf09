// Finding out what a peer has that is missing here, and taking it: digests first, heads only where they differ, then batches or
// checkpoints. Everything that comes is verified by whoever takes it in; a peer can withhold, but not forge.
import { isErrorCode, peerLimits } from '@skein/runtime'
import type { Logger, NodeId } from '@skein/runtime'
import type { LedgerSettings } from '../limits.ts'
import type { MembershipLog } from '../membership/membership-log.ts'
import type { LedgerStore, StreamName } from '../ports.ts'
import { readBatch } from '../streams/batch.ts'
import type { Batch } from '../streams/batch.ts'
import { readCheckpoint } from '../streams/checkpoint.ts'
import type { Checkpoint } from '../streams/checkpoint.ts'
import { headSeq, streamKey } from '../streams/stream.ts'
import type { Snapshots } from '../streams/snapshots.ts'
import type { StreamTable } from '../streams/stream-table.ts'
import type { Streams } from '../streams/streams.ts'
import type { Digests } from './digest.ts'
import { decodeCompared, decodeHeads, decodeMembers, decodeWanted } from './messages.ts'
import type { Head, LogRequest, WantedItem } from './messages.ts'

export interface ComparisonComponents {
  store: LedgerStore
  streams: Streams
  table: StreamTable
  snapshots: Snapshots
  membership: MembershipLog
  digests: Digests
  logger: Logger
  seqLimit(author: NodeId, document: string): number
  ask(peer: NodeId, request: LogRequest): Promise<Uint8Array>
}

/** Rounds of one comparison: each brings something, or it ends. */
const roundsMax = 10_000
/** Snapshots fetched side by side. */
const snapshotsAtOnce = 4
/** Authors whose heads are asked for at once. */
const authorsPerRequest = 32
/** Old ends of peers that turned out to hold nothing new: not asked for again. */
const absorbedMax = 10_000

interface Want {
  stream: StreamName
  above: number
}

export class Comparison {
  readonly #components: ComparisonComponents
  readonly #settings: LedgerSettings
  readonly #absorbed = new Set<string>()

  constructor(components: ComparisonComponents, settings: LedgerSettings) {
    this.#components = components
    this.#settings = settings
  }

  /** Resolves when nothing that the peer had at the time is missing here. @returns true when something new came */
  async with(peer: NodeId): Promise<boolean> {
    const { ask, membership, digests } = this.#components
    let news = false
    for (let round = 0; round < roundsMax; round++) {
      const answer = decodeCompared(
        await ask(peer, { kind: 'compare', membership: membership.digest, streams: digests.ofAll() }),
      )
      if (!answer) return news
      let progress = answer.membership !== membership.digest && (await this.#takeMembers(peer))
      const authors = Object.entries(answer.authors)
        .filter(([author, digest]) => digests.ofAuthor(author) !== digest)
        .map(([author]) => author)
      for (let i = 0; i < authors.length; i += authorsPerRequest) {
        const heads = decodeHeads(await ask(peer, { kind: 'heads', authors: authors.slice(i, i + authorsPerRequest) }))
        if (await this.#takeStreams(peer, heads)) progress = true
      }
      if (!progress) return news
      news = true
    }
    return news
  }

  async #takeMembers(peer: NodeId): Promise<boolean> {
    const { ask, membership } = this.#components
    let news = false
    for (;;) {
      const tips = membership.required.graph.tips()
      const { entries, more } = decodeMembers(await ask(peer, { kind: 'members', tips: tips.slice(0, 1000) }))
      const { added } = entries.length > 0 ? await membership.accept(entries) : { added: 0 }
      if (added > 0) news = true
      if (!more || added === 0) return news
    }
  }

  async #takeStreams(peer: NodeId, heads: readonly Head[]): Promise<boolean> {
    const wants: Want[] = []
    for (const head of heads) {
      const above = await this.#missingAbove(head)
      if (above !== undefined) wants.push({ stream: head.stream, above })
    }
    let news = false
    const askedAgain = new Set<string>()
    while (wants.length > 0) {
      const items = decodeWanted(
        await this.#components.ask(peer, { kind: 'want', streams: wants.slice(0, this.#settings.streamsPerRequest) }),
      )
      const { progress, last, gaps } = await this.#takeItems(peer, items)
      if (progress) news = true
      for (const stream of gaps) {
        // What came follows a line that is not here: from the beginning, then, or as far back as we both know.
        if (askedAgain.has(streamKey(stream))) continue
        askedAgain.add(streamKey(stream))
        wants.push({ stream, above: this.#components.table.state(stream).checkpointSeq })
      }
      // The peer answers in our order and stops when its answer is full: the last stream that it came to may have more.
      const reached = wants.findIndex(({ stream }) => streamKey(stream) === last)
      const lastWant = wants[reached]
      wants.splice(0, reached < 0 ? this.#settings.streamsPerRequest : reached + 1)
      if (lastWant && progress && (wants.length > 0 || items.length > 1)) {
        const above = headSeq(this.#components.table.state(lastWant.stream))
        if (above > lastWant.above) wants.unshift({ stream: lastWant.stream, above })
      }
    }
    return news
  }

  /** Undefined when the peer's stream holds nothing that is missing here. */
  async #missingAbove({ stream, tips, checkpointSeq }: Head): Promise<number | undefined> {
    const { table, store } = this.#components
    const limit = this.#components.seqLimit(stream.author, stream.document)
    const state = table.state(stream)
    const head = headSeq(state)
    const own = new Set(state.tips.map(({ hash }) => hash))
    let above: number | undefined
    for (const tip of tips) {
      if (tip.seq > limit || own.has(tip.hash) || this.#absorbed.has(tip.hash)) continue
      if (tip.seq <= head && (await store.batch(stream, tip.seq, tip.hash))) continue
      // Higher than ours: a continuation, most likely. Not higher: another line, whose start we do not know.
      const from = tip.seq > head ? head : Math.min(state.checkpointSeq, tip.seq - 1)
      above = above === undefined ? from : Math.min(above, from)
      if (tip.seq <= state.checkpointSeq) this.#absorb(tip.hash)
    }
    if (above === undefined && checkpointSeq > state.checkpointSeq && checkpointSeq <= Math.min(limit, head))
      return head
    return above
  }

  #absorb(hash: string): void {
    if (this.#absorbed.size >= absorbedMax) this.#absorbed.clear()
    this.#absorbed.add(hash)
  }

  /** @returns whether anything was new, and the stream of the last item */
  async #takeItems(
    peer: NodeId,
    items: readonly WantedItem[],
  ): Promise<{ progress: boolean; last: string | undefined; gaps: StreamName[] }> {
    const meshId = this.#components.membership.required.meshId
    const byStream = new Map<string, { stream: StreamName; records: (Batch | CheckpointItem)[] }>()
    let last: string | undefined
    for (const item of items) {
      const record =
        item.kind === 'batch'
          ? readBatch(item.bytes, meshId)
          : { checkpoint: readCheckpoint(item.header, meshId), snapshot: item.snapshot }
      const { author, document } = 'checkpoint' in record ? record.checkpoint : record
      last = streamKey({ author, document })
      const list = byStream.get(last)
      if (list) list.records.push(record)
      else byStream.set(last, { stream: { author, document }, records: [record] })
    }
    const streams = [...byStream.values()]
    let progress = false
    const gaps: StreamName[] = []
    const worker = async () => {
      for (let next = streams.shift(); next; next = streams.shift()) {
        const taken = await this.#takeRecords(peer, next.stream, next.records)
        if (taken.progress) progress = true
        if (taken.gap) gaps.push(next.stream)
      }
    }
    await Promise.all(Array.from({ length: snapshotsAtOnce }, worker))
    return { progress, last, gaps }
  }

  async #takeRecords(
    peer: NodeId,
    stream: StreamName,
    records: readonly (Batch | CheckpointItem)[],
  ): Promise<{ progress: boolean; gap: boolean }> {
    const { streams, table } = this.#components
    const before = table.versionOf(stream.author)
    let gap = false
    for (let i = 0; i < records.length;) {
      const record = records[i] as Batch | CheckpointItem
      const checkpoint = 'checkpoint' in record ? record : undefined
      if (checkpoint) i++
      const run: Batch[] = []
      for (let next = records[i]; next && !('checkpoint' in next); next = records[++i]) run.push(next)
      const taken = checkpoint ? await this.takeCheckpoint(peer, checkpoint.checkpoint, checkpoint.snapshot, run) : 0
      if (taken < run.length && (await streams.accept(stream, run.slice(taken))).gap) gap = true
    }
    return { progress: table.versionOf(stream.author) !== before, gap }
  }

  /**
   * Makes the snapshot from what is here, or else takes the author's own.
   * @param following batches after it, which may be taken in along with it
   * @returns how many of them were
   */
  async takeCheckpoint(
    peer: NodeId,
    checkpoint: Checkpoint,
    inline: Uint8Array | null,
    following: readonly Batch[] = [],
  ): Promise<number> {
    const { table, snapshots, logger } = this.#components
    const stream = { author: checkpoint.author, document: checkpoint.document }
    if (checkpoint.seq <= table.state(stream).checkpointSeq) return 0
    if (checkpoint.seq > this.#components.seqLimit(stream.author, stream.document)) return 0
    if ((await snapshots.condenseTo(checkpoint)) === 'done') return 0
    const snapshot = inline ?? (await this.#fetchSnapshot(peer, checkpoint))
    if (!snapshot) return 0
    try {
      return await snapshots.adopt(checkpoint, snapshot, following)
    } catch (error) {
      if (!isErrorCode(error, 'bad-snapshot')) throw error
      logger.warn(
        { peer, author: stream.author, document: stream.document },
        'snapshot of a peer is not what was signed',
      )
      return 0
    }
  }

  async #fetchSnapshot(peer: NodeId, checkpoint: Checkpoint): Promise<Uint8Array | undefined> {
    const { author, document, snapshotHash, snapshotBytes } = checkpoint
    const part = (offset: number) =>
      this.#components.ask(peer, { kind: 'snapshot', stream: { author, document }, hash: snapshotHash, offset })
    const offsets: number[] = []
    for (let offset = 0; offset < snapshotBytes; offset += peerLimits.peerChunkBytes) offsets.push(offset)
    try {
      const parts = await Promise.all(offsets.map(part))
      const whole = Buffer.concat(parts)
      return whole.length === snapshotBytes ? whole : undefined
    } catch (error) {
      // Replaced by a newer one meanwhile: the next comparison will name that.
      if (isErrorCode(error, 'no-such-snapshot')) return undefined
      throw error
    }
  }
}

interface CheckpointItem {
  checkpoint: Checkpoint
  snapshot: Uint8Array | null
}
