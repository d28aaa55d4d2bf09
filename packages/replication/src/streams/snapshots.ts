// Snapshots of documents with their signed headers: made by the author, made again from the same batches by everybody else, taken over
// as signed where that can't be. And the reverse: taking back what came after a limit that the membership sets.
import { SkeinError } from '@skein/runtime'
import { hex, sha256 } from '../identity.ts'
import type { LedgerSettings } from '../limits.ts'
import type { LedgerOp, StreamName } from '../ports.ts'
import { readStoredUpdate } from './batch.ts'
import type { Batch } from './batch.ts'
import { storedCheckpointTips, writeCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { condense, documentOf, sharedDocument } from './documents.ts'
import type { ProjectionPlan } from './projection.ts'
import { emptyStream, encodeHead, headSeq, tipsAfter, tipsAfterCheckpoint } from './stream.ts'
import type { StreamState } from './stream.ts'
import { partOf } from './stream-table.ts'
import type { StreamTable } from './stream-table.ts'
import type { StreamsComponents } from './streams-components.ts'

export class Snapshots {
  readonly #components: StreamsComponents
  readonly #settings: LedgerSettings
  readonly #table: StreamTable

  constructor(components: StreamsComponents, settings: LedgerSettings, table: StreamTable) {
    this.#components = components
    this.#settings = settings
    this.#table = table
  }

  isDue({ logBatches, logBytes, snapshotBytes }: StreamState): boolean {
    const bytesMax = Math.max(this.#settings.checkpointLogBytes, snapshotBytes / 2)
    return logBatches >= this.#settings.checkpointBatches || logBytes >= bytesMax
  }

  /** This node's own document: snapshot, signed header, shorter log, in one commit. */
  async makeInLane(stream: StreamName): Promise<Checkpoint | undefined> {
    const { documents, signer, time } = this.#components
    const state = this.#table.state(stream)
    const tip = state.tips[0]
    if (state.tips.length !== 1 || !tip) return undefined
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
    await this.#commit(state, checkpoint, snapshot)
    return checkpoint
  }

  async #commit(state: StreamState, checkpoint: Checkpoint, snapshot: Uint8Array): Promise<void> {
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
    this.#table.keep(after)
  }

  /**
   * Another's header came: makes the same snapshot from what is here.
   * @returns `behind` when it can't be made yet, `different` when it came out otherwise and must be fetched
   */
  condenseTo(checkpoint: Checkpoint): Promise<'done' | 'behind' | 'different'> {
    const stream = { author: checkpoint.author, document: checkpoint.document }
    return this.#table.inLane(stream, async () => {
      const { documents, store } = this.#components
      const state = this.#table.state(stream)
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
      await this.#commit(state, checkpoint, snapshot)
      return 'done'
    })
  }

  /**
   * Takes over the author's own snapshot. What this node has beyond it (later batches, another line) stays.
   * @param following batches after the snapshot: where the stream is new here they are taken in along with it, in one commit
   * @returns how many of them were taken in
   * @throws SkeinError `bad-snapshot` when it is not what the header names
   */
  adopt(checkpoint: Checkpoint, snapshot: Uint8Array, following: readonly Batch[] = []): Promise<number> {
    const stream = { author: checkpoint.author, document: checkpoint.document }
    if (hex(sha256(snapshot)) !== checkpoint.snapshotHash) {
      throw new SkeinError(
        'bad-snapshot',
        'refused',
        `the snapshot of ${stream.document} is not the one that was signed`,
      )
    }
    return this.#table.inLane(stream, async () => {
      const state = this.#table.state(stream)
      const limit = this.#components.seqLimit(stream.author, stream.document)
      if (checkpoint.seq <= state.checkpointSeq || checkpoint.seq > limit) return 0
      const isNew = state.tips.length === 0 && stream.document !== sharedDocument
      const along = isNew ? following.filter(({ seq }) => seq <= limit) : []
      return this.#adoptInLane(state, checkpoint, snapshot, along)
    })
  }

  async #adoptInLane(
    state: StreamState,
    checkpoint: Checkpoint,
    snapshot: Uint8Array,
    following: readonly Batch[],
  ): Promise<number> {
    const { documents, store, projection, time } = this.#components
    const { stream } = state
    const updates = [snapshot]
    let fresh = documentOf(updates, 0)
    /** Nonsense changes nothing, and leaves nothing half done. */
    const apply = (update: Uint8Array): boolean => {
      try {
        const news = fresh.apply(update) !== undefined
        if (news) updates.push(update)
        return news
      } catch {
        fresh = documentOf(updates, 0)
        return false
      }
    }
    const kept: LedgerOp[] = []
    let logBatches = 0
    let logBytes = 0
    let otherLine = false
    if (state.tips.length > 0) {
      for await (const { seq, hash, bytes } of store.batches(stream, 0)) {
        const news = apply(readStoredUpdate(bytes))
        if (seq <= checkpoint.seq && !news) continue
        if (seq <= checkpoint.seq) otherLine = true
        kept.push({ op: 'batch', stream, seq, hash, bytes })
        logBatches++
        logBytes += bytes.length
      }
    }
    let tips = tipsAfterCheckpoint(state.tips, checkpoint)
    time.see(checkpoint.time)
    let taken = 0
    for (const batch of following) {
      const { seq, hash, bytes, previous } = batch
      const [tip] = tips
      if (tips.length !== 1 || seq !== (tip?.seq ?? 0) + 1 || previous.length !== 1 || previous[0] !== tip?.hash) break
      apply(batch.update)
      tips = tipsAfter(tips, batch)
      kept.push({ op: 'batch', stream, seq, hash, bytes })
      logBatches++
      logBytes += bytes.length
      time.see(batch.time)
      taken++
    }
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
    this.#table.keep(after)
    plan.applied()
    return taken
  }

  /** Takes back what came after the limit that the membership now sets. @returns true when something was taken back */
  enforceLimit(stream: StreamName): Promise<boolean> {
    return this.#table.inLane(stream, async () => {
      const { documents, store, projection } = this.#components
      const state = this.#table.state(stream)
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
        for (const part of this.#table.partsOf(stream)) {
          if (part.stream.author !== stream.author) updates.push(...(await documents.updatesOf(part)))
        }
      }
      const held = documentOf(updates, 0)
      documents.keep(stream, held)
      try {
        const plan = await projection.replace(stream, held.contents(), state.entries)
        after.entries += plan.entriesDelta
        await store.commit([...ops, { op: 'head', stream, bytes: encodeHead(after) }, ...plan.ops])
        this.#table.keep(after)
        plan.applied()
      } catch (error) {
        documents.spoil(stream)
        throw error
      }
      return true
    })
  }
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
