// Writing batches and taking in those of others. Promises: a batch is durable here before anybody hears of it; nothing of another's
// batch is used before its signature, its place in its author's chain and its author's right are verified; one lane for each
// document (for each shard of users) at a time.
import { SkeinError } from '@skein/runtime'
import type { LedgerSettings } from '../limits.ts'
import type { LedgerOp, StreamName } from '../ports.ts'
import { writeBatch } from './batch.ts'
import type { Batch } from './batch.ts'
import type { Checkpoint } from './checkpoint.ts'
import { documentOf } from './documents.ts'
import type { Changes, LedgerDocument } from './documents.ts'
import type { ProjectionPlan } from './projection.ts'
import type { Snapshots } from './snapshots.ts'
import { encodeHead, headSeq, standingOfBatch, tipsAfter } from './stream.ts'
import type { StreamState } from './stream.ts'
import type { StreamTable } from './stream-table.ts'
import type { StreamsComponents } from './streams-components.ts'

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
  readonly #table: StreamTable
  readonly #snapshots: Snapshots
  readonly counters = { applied: 0, refused: 0, forks: 0 }

  constructor(
    components: StreamsComponents & { table: StreamTable; snapshots: Snapshots },
    settings: LedgerSettings,
    events: StreamsEvents,
  ) {
    this.#components = components
    this.#table = components.table
    this.#snapshots = components.snapshots
    this.#settings = settings
    this.#events = events
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
    return this.#table.inLane(stream, () => this.transactInLane(stream, edit))
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
      const before = this.#table.state(stream)
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
    if (!this.#snapshots.isDue(this.#table.state(stream))) return
    const checkpoint = await this.#snapshots.makeInLane(stream)
    if (checkpoint) this.#events.onCheckpoint(checkpoint)
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
    this.#table.keep(after)
    plan.applied()
  }

  /**
   * Batches of one stream whose signatures hold, in the order of their numbers.
   * Stops at the first that does not follow.
   */
  accept(stream: StreamName, batches: readonly Batch[]): Promise<Accepted> {
    return this.#table.inLane(stream, () => this.#acceptInLane(stream, batches))
  }

  async #acceptInLane(stream: StreamName, batches: readonly Batch[]): Promise<Accepted> {
    const { documents, store, projection, time } = this.#components
    const accepted: Accepted = { applied: [], refused: 0, gap: false }
    const before = this.#table.state(stream)
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
      for (const part of this.#table.partsOf(stream)) updates.push(...(await documents.updatesOf(part)))
      updates.push(...taken.map(({ update }) => update))
      documents.keep(stream, documentOf(updates, 0))
      return undefined
    }
  }
}

/** Yjs takes no Buffer, and a view on a shared pool would keep the whole pool alive. */
function plainBytes(value: Uint8Array): Uint8Array {
  return value.constructor === Uint8Array ? value : Uint8Array.from(value)
}

function batchOps(after: StreamState, batches: readonly Batch[]): LedgerOp[] {
  const { stream } = after
  return [
    ...batches.map(({ seq, hash, bytes }): LedgerOp => ({ op: 'batch', stream, seq, hash, bytes })),
    { op: 'head', stream, bytes: encodeHead(after) },
  ]
}
