// All streams of the mesh as this node has them. Promises: a batch is durable here before anybody hears of it; nothing of another's
// batch is used before its signature, its place in its author's chain and its author's right are verified; one lane for each
// document (for each shard of users) at a time.
import { SerialByKey, SkeinError } from '@skein/runtime'
import type { Logger, NodeId } from '@skein/runtime'
import type { HybridClock } from '../hybrid-clock.ts'
import { hex, sha256 } from '../identity.ts'
import type { LedgerSettings } from '../limits.ts'
import type { LedgerOp, LedgerStore, Signer, StreamName } from '../ports.ts'
import { readStoredUpdate, writeBatch } from './batch.ts'
import type { Batch } from './batch.ts'
import { storedCheckpointTips, writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { condense, documentOf, sharedDocument } from './documents.ts'
import type { Changes, DocumentCache, DocumentPart, LedgerDocument } from './documents.ts'
import type { Projection, ProjectionPlan } from './projection.ts'
import {
  decodeHead,
  emptyStream,
  encodeHead,
  headSeq,
  standingOfBatch,
  streamKey,
  tipsAfter,
  tipsAfterCheckpoint,
} from './stream.ts'
import type { StreamState } from './stream.ts'

export interface StreamsComponents {
  store: LedgerStore
  signer: Signer
  logger: Logger
  time: HybridClock
  documents: DocumentCache
  projection: Projection
  /** The highest number of that stream that counts: by the membership as it is now. */
  seqLimit(author: NodeId, document: string): number
  meshId(): string
}

export interface StreamsEvents {
  /** This node's own, durable now. */
  onBatch(batch: Batch): void
  onCheckpoint(checkpoint: Checkpoint): void
  onFork(batch: Batch): void
}

export interface Accepted {
  /** What was new here. */
  applied: Batch[]
  refused: number
  /** Something before what came is missing. */
  gap: boolean
}

export class Streams {
  readonly #components: StreamsComponents
  readonly #settings: LedgerSettings
  readonly #events: StreamsEvents
  readonly #states = new Map<string, StreamState>()
  readonly #byAuthor = new Map<NodeId, Map<string, StreamState>>()
  readonly #versions = new Map<NodeId, number>()
  readonly #lanes = new SerialByKey<string>()
  readonly counters = { applied: 0, refused: 0, forks: 0 }

  constructor(components: StreamsComponents, settings: LedgerSettings, events: StreamsEvents) {
    this.#components = components
    this.#settings = settings
    this.#events = events
  }

  async load(): Promise<void> {
    for await (const { stream, bytes } of this.#components.store.heads()) this.#keep(decodeHead(stream, bytes))
  }

  #keep(state: StreamState): void {
    const { author, document } = state.stream
    this.#states.set(streamKey(state.stream), state)
    this.#versions.set(author, this.versionOf(author) + 1)
    const own = this.#byAuthor.get(author) ?? new Map<string, StreamState>()
    this.#byAuthor.set(author, own.set(document, state))
  }

  /** Goes up with every change of that author's streams. */
  versionOf(author: NodeId): number {
    return this.#versions.get(author) ?? 0
  }

  state(stream: StreamName): StreamState {
    return this.#states.get(streamKey(stream)) ?? emptyStream(stream)
  }

  all(): Iterable<StreamState> {
    return this.#states.values()
  }

  authors(): Iterable<NodeId> {
    return this.#byAuthor.keys()
  }

  ofAuthor(author: NodeId): Iterable<StreamState> {
    return this.#byAuthor.get(author)?.values() ?? []
  }

  /** The parts of which that document is made. */
  partsOf(stream: StreamName): DocumentPart[] {
    if (stream.document !== sharedDocument) return [partOf(this.state(stream))]
    const parts: DocumentPart[] = []
    for (const state of this.#states.values()) if (state.stream.document === sharedDocument) parts.push(partOf(state))
    return parts.sort((a, b) => (a.stream.author < b.stream.author ? -1 : 1))
  }

  /** Resolves when what is being written now is written. */
  idle(): Promise<void> {
    return this.#lanes.idle()
  }

  /** Runs `task` when nobody else touches that document (for users: that shard, of any node). */
  inLane<Result>(stream: StreamName, task: () => Promise<Result>): Promise<Result> {
    const { author, document } = stream
    const shared = document === sharedDocument || document.startsWith('users/')
    return this.#lanes.run(shared ? document : `${author}/${document}`, task)
  }

  /**
   * One transaction of this node, made durable, then announced.
   * @param edit gets the document as it is and says what to change; `ops` go into the same commit
   * @throws SkeinError `not-permitted`, `batch-too-long`, or the store's
   */
  transact(
    document: string,
    edit: (held: LedgerDocument) => Promise<{ write: Changes; ops?: LedgerOp[] }>,
  ): Promise<void> {
    const stream = { author: this.#components.signer.nodeId, document }
    return this.inLane(stream, () => this.transactInLane(stream, edit))
  }

  /** As `transact`, for whoever already has the lane. */
  async transactInLane(
    stream: StreamName,
    edit: (held: LedgerDocument) => Promise<{ write: Changes; ops?: LedgerOp[] }>,
  ): Promise<void> {
    const { documents, store, signer, time } = this.#components
    const { author, document } = stream
    const held = await documents.open(stream)
    const { write, ops = [] } = await edit(held)
    const { update, changes } = held.write((map) => {
      for (const [key, value] of write) {
        if (value) map.set(key, plainBytes(value))
        else map.delete(key)
      }
    })
    if (!update) {
      if (ops.length > 0) await store.commit(ops)
      return
    }
    try {
      const before = this.state(stream)
      const seq = headSeq(before) + 1
      if (seq > this.#components.seqLimit(author, document)) {
        throw new SkeinError('not-permitted', 'refused', 'this node may not change that in this mesh')
      }
      const previous = before.tips.map(({ hash }) => hash)
      const meshId = this.#components.meshId()
      const batch = writeBatch({ meshId, author, document, seq, previous, time: time.next(), update }, signer.sign)
      if (batch.bytes.length > this.#settings.batchBytesMax) {
        throw new SkeinError('batch-too-long', 'refused', 'too much is changed at once')
      }
      const plan = await this.#components.projection.change(stream, changes)
      const after = this.#after(before, batch, plan.entriesDelta)
      await store.commit([...ops, ...batchOps(after, [batch]), ...plan.ops])
      this.#done(after, plan)
      this.#events.onBatch(batch)
    } catch (error) {
      documents.spoil(stream)
      throw error
    }
    if (this.#condenseDue(this.state(stream))) await this.#makeCheckpoint(stream)
  }

  #after(before: StreamState, batch: Batch, entriesDelta: number): StreamState {
    return {
      ...before,
      tips: tipsAfter(before.tips, batch),
      logBatches: before.logBatches + 1,
      logBytes: before.logBytes + batch.bytes.length,
      entries: before.entries + entriesDelta,
    }
  }

  #done(after: StreamState, plan: ProjectionPlan): void {
    this.#keep(after)
    plan.applied()
  }

  /**
   * Batches of one stream whose signatures hold, in the order of their numbers.
   * Stops at the first that does not follow.
   */
  accept(stream: StreamName, batches: readonly Batch[]): Promise<Accepted> {
    return this.inLane(stream, () => this.#acceptInLane(stream, batches))
  }

  async #acceptInLane(stream: StreamName, batches: readonly Batch[]): Promise<Accepted> {
    const { documents, store, projection, time } = this.#components
    const accepted: Accepted = { applied: [], refused: 0, gap: false }
    const before = this.state(stream)
    let after = before
    const taken: Batch[] = []
    const changes: Changes = new Map()
    const written = new Set<string>()
    const stored = async (seq: number, hash: string) =>
      written.has(hash) || (await store.batch(stream, seq, hash)) !== undefined
    for (const batch of batches) {
      if (batch.seq > this.#components.seqLimit(stream.author, stream.document)) {
        accepted.refused++
        continue
      }
      const standing = await standingOfBatch(after, batch, stored)
      if (standing === 'known') continue
      if (standing === 'gap') {
        accepted.gap = true
        continue
      }
      const news = await this.#apply(stream, batch, taken)
      if (standing === 'old' && !news) continue
      for (const [key, value] of news ?? []) changes.set(key, value)
      const forked = after.forked || standing !== 'next'
      if (standing !== 'next') {
        this.counters.forks++
        this.#events.onFork(batch)
      }
      after = { ...this.#after(after, batch, 0), forked: forked && tipsAfter(after.tips, batch).length > 1 }
      taken.push(batch)
      written.add(batch.hash)
      time.see(batch.time)
    }
    this.counters.refused += accepted.refused
    if (taken.length === 0) return accepted
    try {
      const plan = await projection.change(stream, changes)
      after = { ...after, entries: after.entries + plan.entriesDelta }
      await store.commit([...batchOps(after, taken), ...plan.ops])
      this.#done(after, plan)
    } catch (error) {
      documents.spoil(stream)
      throw error
    }
    accepted.applied = taken
    this.counters.applied += taken.length
    return accepted
  }

  /** Nonsense in a well-signed batch harms only its author: the chain goes on, the document stays as it was. */
  async #apply(stream: StreamName, batch: Batch, taken: readonly Batch[]): Promise<Changes | undefined> {
    const { documents, logger } = this.#components
    const held = await documents.open(stream)
    try {
      return held.apply(batch.update)
    } catch (error) {
      logger.warn({ author: batch.author, document: batch.document, seq: batch.seq, error }, 'batch without sense')
      const updates: Uint8Array[] = []
      for (const part of this.partsOf(stream)) updates.push(...(await documents.updatesOf(part)))
      updates.push(...taken.map(({ update }) => update))
      documents.keep(stream, documentOf(updates, 0))
      return undefined
    }
  }

  #condenseDue({ logBatches, logBytes, snapshotBytes }: StreamState): boolean {
    const bytesMax = Math.max(this.#settings.checkpointLogBytes, snapshotBytes / 2)
    return logBatches >= this.#settings.checkpointBatches || logBytes >= bytesMax
  }

  /** This node's own document: snapshot, signed header, shorter log, in one commit. */
  async #makeCheckpoint(stream: StreamName): Promise<void> {
    const { documents, signer, time } = this.#components
    const state = this.state(stream)
    const tip = state.tips[0]
    if (state.tips.length !== 1 || !tip) return
    const snapshot = condense(stream.document, await documents.updatesOf(partOf(state)))
    const checkpoint = writeCheckpoint(
      {
        ...stream,
        meshId: this.#components.meshId(),
        seq: tip.seq,
        tips: [tip.hash],
        time: time.next(),
        snapshotHash: hex(sha256(snapshot)),
        snapshotBytes: snapshot.length,
      },
      signer.sign,
    )
    await this.#commitCheckpoint(state, checkpoint, snapshot)
    this.#events.onCheckpoint(checkpoint)
  }

  async #commitCheckpoint(state: StreamState, checkpoint: Checkpoint, snapshot: Uint8Array): Promise<void> {
    const { stream } = state
    let logBatches = 0
    let logBytes = 0
    // A short log stays for one more round: peers that are a little behind need not take the whole snapshot.
    const keepsLog = state.logBytes <= this.#settings.checkpointLogBytes
    for await (const { bytes } of this.#components.store.batches(stream, checkpoint.seq)) {
      logBatches++
      logBytes += bytes.length
    }
    const after: StreamState = {
      ...state,
      tips: tipsAfterCheckpoint(state.tips, checkpoint),
      checkpointSeq: checkpoint.seq,
      checkpoint: checkpoint.bytes,
      snapshotBytes: snapshot.length,
      logBatches,
      logBytes,
      forked: false,
    }
    await this.#components.store.commit([
      { op: 'snapshot', stream, bytes: snapshot },
      { op: 'drop-batches', stream, above: 0, upTo: keepsLog ? state.checkpointSeq : checkpoint.seq },
      { op: 'head', stream, bytes: encodeHead(after) },
    ])
    this.#keep(after)
  }

  /**
   * Another's header came: makes the same snapshot from what is here.
   * @returns `behind` when it can't be made yet, `different` when it came out otherwise and must be fetched
   */
  condenseTo(checkpoint: Checkpoint): Promise<'done' | 'behind' | 'different'> {
    const stream = { author: checkpoint.author, document: checkpoint.document }
    return this.inLane(stream, async () => {
      const { documents, store } = this.#components
      const state = this.state(stream)
      if (checkpoint.seq <= state.checkpointSeq) return 'done'
      if (checkpoint.seq > this.#components.seqLimit(stream.author, stream.document)) return 'done'
      const [tip] = checkpoint.tips
      const here =
        state.tips.some(({ hash }) => hash === tip) ||
        (tip !== undefined && (await store.batch(stream, checkpoint.seq, tip)) !== undefined)
      if (!here) return checkpoint.seq > headSeq(state) ? 'behind' : 'different'
      if (state.forked) return 'different'
      const snapshot = condense(stream.document, await documents.updatesOf(partOf(state), checkpoint.seq))
      if (snapshot.length !== checkpoint.snapshotBytes || hex(sha256(snapshot)) !== checkpoint.snapshotHash) {
        return 'different'
      }
      await this.#commitCheckpoint(state, checkpoint, snapshot)
      return 'done'
    })
  }

  /**
   * Takes over the author's own snapshot. What this node has beyond it (later batches, another line) stays.
   * @throws SkeinError `bad-snapshot` when it is not what the header names
   */
  adopt(checkpoint: Checkpoint, snapshot: Uint8Array): Promise<void> {
    const stream = { author: checkpoint.author, document: checkpoint.document }
    if (hex(sha256(snapshot)) !== checkpoint.snapshotHash) {
      throw new SkeinError(
        'bad-snapshot',
        'refused',
        `the snapshot of ${stream.document} is not the one that was signed`,
      )
    }
    return this.inLane(stream, async () => {
      const state = this.state(stream)
      const limit = this.#components.seqLimit(stream.author, stream.document)
      if (checkpoint.seq <= state.checkpointSeq || checkpoint.seq > limit) return
      await this.#adoptInLane(state, checkpoint, snapshot)
      this.#components.time.see(checkpoint.time)
    })
  }

  async #adoptInLane(state: StreamState, checkpoint: Checkpoint, snapshot: Uint8Array): Promise<void> {
    const { documents, store, projection } = this.#components
    const { stream } = state
    const fresh = documentOf([snapshot], 0)
    const kept: LedgerOp[] = []
    let logBatches = 0
    let logBytes = 0
    let otherLine = false
    if (state.tips.length > 0) {
      for await (const { seq, hash, bytes } of store.batches(stream, 0)) {
        const news = fresh.apply(readStoredUpdate(bytes)) !== undefined
        if (seq <= checkpoint.seq && !news) continue
        if (seq <= checkpoint.seq) otherLine = true
        kept.push({ op: 'batch', stream, seq, hash, bytes })
        logBatches++
        logBytes += bytes.length
      }
    }
    const tips = tipsAfterCheckpoint(state.tips, checkpoint)
    const after: StreamState = {
      ...state,
      tips: otherLine ? mergeTips(tips, state.tips, kept) : tips,
      checkpointSeq: checkpoint.seq,
      checkpoint: checkpoint.bytes,
      snapshotBytes: snapshot.length,
      logBatches,
      logBytes,
      forked: otherLine,
    }
    const shared = stream.document === sharedDocument
    let plan: ProjectionPlan
    try {
      if (shared) {
        plan = await projection.change(stream, (await documents.open(stream)).apply(snapshot) ?? new Map())
        fresh.destroy()
      } else {
        documents.keep(stream, fresh)
        plan = await projection.replace(stream, fresh.contents(), state.entries)
      }
      after.entries += plan.entriesDelta
      await store.commit([
        { op: 'snapshot', stream, bytes: snapshot },
        { op: 'drop-batches', stream, above: 0, upTo: checkpoint.seq },
        ...kept,
        { op: 'head', stream, bytes: encodeHead(after) },
        ...plan.ops,
      ])
    } catch (error) {
      documents.spoil(stream)
      throw error
    }
    this.#done(after, plan)
  }

  /** Takes back what came after the limit that the membership now sets. @returns true when something was taken back */
  enforceLimit(stream: StreamName): Promise<boolean> {
    return this.inLane(stream, async () => {
      const { documents, store, projection } = this.#components
      const state = this.state(stream)
      const limit = this.#components.seqLimit(stream.author, stream.document)
      if (headSeq(state) <= limit) return false
      const whole = state.checkpointSeq <= limit
      let after: StreamState = whole
        ? { ...state, tips: [], logBatches: 0, logBytes: 0 }
        : { ...emptyStream(stream), entries: state.entries }
      const updates: Uint8Array[] = []
      if (whole) {
        after = { ...after, tips: [] }
        const snapshot = await store.snapshot(stream)
        if (snapshot) updates.push(snapshot)
        for await (const stored of store.batches(stream, 0)) {
          if (stored.seq > limit) continue
          updates.push(readStoredUpdate(stored.bytes))
          after.tips = [{ seq: stored.seq, hash: stored.hash }]
          if (stored.seq <= state.checkpointSeq) continue
          after.logBatches++
          after.logBytes += stored.bytes.length
        }
        if (after.tips.length === 0 && state.checkpoint) after.tips = storedCheckpointTips(state.checkpoint)
      }
      const ops: LedgerOp[] = [{ op: 'drop-batches', stream, above: whole ? limit : 0, upTo: headSeq(state) }]
      if (!whole) ops.push({ op: 'snapshot', stream, bytes: null })
      if (stream.document === sharedDocument) {
        for (const part of this.partsOf(stream)) {
          if (part.stream.author !== stream.author) updates.push(...(await documents.updatesOf(part)))
        }
      }
      const held = documentOf(updates, 0)
      documents.keep(stream, held)
      try {
        const plan = await projection.replace(stream, held.contents(), state.entries)
        after.entries += plan.entriesDelta
        await store.commit([...ops, { op: 'head', stream, bytes: encodeHead(after) }, ...plan.ops])
        this.#done(after, plan)
      } catch (error) {
        documents.spoil(stream)
        throw error
      }
      return true
    })
  }
}

/** Yjs takes no Buffer, and a view on a shared pool would keep the whole pool alive. */
function plainBytes(value: Uint8Array): Uint8Array {
  return value.constructor === Uint8Array ? value : Uint8Array.from(value)
}

function partOf(state: StreamState): DocumentPart {
  return { stream: state.stream, above: state.forked ? 0 : state.checkpointSeq }
}

function batchOps(after: StreamState, batches: readonly Batch[]): LedgerOp[] {
  const { stream } = after
  return [
    ...batches.map(({ seq, hash, bytes }): LedgerOp => ({ op: 'batch', stream, seq, hash, bytes })),
    { op: 'head', stream, bytes: encodeHead(after) },
  ]
}

/** The other line's ends stay ends beside the checkpoint's. */
function mergeTips(
  tips: StreamState['tips'],
  before: StreamState['tips'],
  kept: readonly LedgerOp[],
): StreamState['tips'] {
  const keptHashes = new Set(kept.map((op) => (op.op === 'batch' ? op.hash : '')))
  const merged = [...tips]
  for (const tip of before) {
    if (keptHashes.has(tip.hash) && !merged.some(({ hash }) => hash === tip.hash)) merged.push(tip)
  }
  return merged
}
