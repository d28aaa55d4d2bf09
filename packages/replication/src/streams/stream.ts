// What is known of one author's chain for one document, and what a batch means to it. Pure.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import { fromHex, hex } from '../identity.ts'
import type { StreamName } from '../ports.ts'
import { bytesOf, countOf, listOf, mapOf } from '../wire/fields.ts'
import type { Batch } from './batch.ts'

export interface Tip {
  seq: number
  hash: string
}

export interface StreamState {
  readonly stream: StreamName
  /** Ends of the chain: one, unless the author's key wrote two lines. */
  tips: Tip[]
  /** Everything up to here is in the snapshot; 0 without one. */
  checkpointSeq: number
  /** The signed header, as its author wrote it. */
  checkpoint: Uint8Array | undefined
  snapshotBytes: number
  /** Batches kept beside the snapshot. */
  logBatches: number
  logBytes: number
  /** For a users shard: entries in the map. */
  entries: number
  /** Two batches with one number were seen. */
  forked: boolean
}

export function emptyStream(stream: StreamName): StreamState {
  return {
    stream,
    tips: [],
    checkpointSeq: 0,
    checkpoint: undefined,
    snapshotBytes: 0,
    logBatches: 0,
    logBytes: 0,
    entries: 0,
    forked: false,
  }
}

export function streamKey({ author, document }: StreamName): string {
  return `${author}/${document}`
}

/** The highest sequence number; 0 for an empty stream. */
export function headSeq(state: StreamState): number {
  let seq = 0
  for (const tip of state.tips) if (tip.seq > seq) seq = tip.seq
  return seq
}

/**
 * next: follows what is here. known: nothing new. gap: something before it is missing.
 * fork: the author's key wrote two lines; both are kept.
 * old: its number is below the snapshot, which most likely holds it; only applying it can tell.
 */
export type BatchStanding = 'next' | 'known' | 'gap' | 'fork' | 'old'

/**
 * @param stored is that batch in the log here: asked for hashes that are no tips
 */
export async function standingOfBatch(
  state: StreamState,
  batch: Pick<Batch, 'seq' | 'hash' | 'previous'>,
  stored: (seq: number, hash: string) => Promise<boolean>,
): Promise<BatchStanding> {
  if (state.tips.some(({ hash }) => hash === batch.hash)) return 'known'
  const tips = new Map(state.tips.map(({ seq, hash }) => [hash, seq]))
  const head = headSeq(state)
  if (batch.previous.every((hash) => tips.has(hash))) {
    const before = Math.max(0, ...batch.previous.map((hash) => tips.get(hash) ?? 0))
    if (batch.seq === before + 1 && (batch.previous.length > 0 || head === 0)) return 'next'
  }
  if (batch.seq > head + 1) return 'gap'
  if (batch.seq <= state.checkpointSeq) return 'old'
  if (batch.seq <= head && (await stored(batch.seq, batch.hash))) return 'known'
  // Its number is taken, or it follows something that is no end: another line, if what it follows is here at all.
  for (const hash of batch.previous) {
    if (tips.has(hash) || batch.seq - 1 <= state.checkpointSeq) continue
    if (!(await stored(batch.seq - 1, hash))) return 'gap'
  }
  return 'fork'
}

/** The chain's ends after that batch. */
export function tipsAfter(tips: readonly Tip[], batch: Pick<Batch, 'seq' | 'hash' | 'previous'>): Tip[] {
  const rest = tips.filter(({ hash }) => !batch.previous.includes(hash))
  return [...rest, { seq: batch.seq, hash: batch.hash }].sort((a, b) => a.seq - b.seq || (a.hash < b.hash ? -1 : 1))
}

/** The chain's ends when a checkpoint took the place of what was here. */
export function tipsAfterCheckpoint(tips: readonly Tip[], checkpoint: { seq: number; tips: readonly string[] }): Tip[] {
  const later = tips.filter(({ seq }) => seq > checkpoint.seq)
  if (later.length > 0) return later
  return checkpoint.tips.map((hash) => ({ seq: checkpoint.seq, hash }))
}

export function encodeHead(state: StreamState): Uint8Array {
  return encodeCbor({
    v: 1,
    t: state.tips.map(({ seq, hash }) => [seq, fromHex(hash)]),
    c: state.checkpointSeq,
    h: state.checkpoint,
    z: state.snapshotBytes,
    n: state.logBatches,
    b: state.logBytes,
    e: state.entries,
    f: state.forked,
  })
}

export function decodeHead(stream: StreamName, bytes: Uint8Array): StreamState {
  const map = mapOf(decodeCbor(bytes), 'head')
  return {
    stream,
    tips: listOf(map['t'], 'tips').map((tip) => {
      const [seq, hash] = listOf(tip, 'tip')
      return { seq: countOf(seq, 'sequence number'), hash: hex(bytesOf(hash, 'hash', 32)) }
    }),
    checkpointSeq: countOf(map['c'], 'checkpoint'),
    checkpoint: map['h'] instanceof Uint8Array ? map['h'] : undefined,
    snapshotBytes: countOf(map['z'], 'snapshot length'),
    logBatches: countOf(map['n'], 'batches'),
    logBytes: countOf(map['b'], 'log length'),
    entries: countOf(map['e'], 'entries'),
    forked: map['f'] === true,
  }
}
