// What the judgement needs from the outside: a place that survives a restart.
import type { NodeId } from '@skein/runtime'
import type { JudgementRecord } from './record.ts'

export interface StoredRecord {
  author: NodeId
  record: JudgementRecord
}

export interface JudgementChanges {
  put: readonly StoredRecord[]
  remove: readonly { author: NodeId; kind: string; key: string }[]
  /** Up to which number this node has the records of an author: kept together with them. */
  heard: ReadonlyMap<NodeId, number>
  /** Authors of whom nothing is kept any more. */
  forget: readonly NodeId[]
}

export interface JudgementStore {
  /** Everything that was saved. What can't be read is passed over, and then nothing counts as heard from its author. */
  load(nowMs: number): Promise<{ records: StoredRecord[]; heard: Map<NodeId, number> }>
  /** All of it or nothing. Need not be durable at once: what is lost is told again by its author, or forgotten. */
  save(changes: JudgementChanges): Promise<void>
}
