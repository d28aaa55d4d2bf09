// What the rest of the ledger makes of a document's contents: kept beside the batches in the same commit, or in memory after it.
import type { LedgerOp, StreamName } from '../ports.ts'
import type { Changes } from './documents.ts'

export interface ProjectionPlan {
  /** To be committed together with what caused them. */
  ops: LedgerOp[]
  /** Change in the number of map entries of this stream. */
  entriesDelta: number
  /** Called once the commit is durable. */
  applied(): void
}

export interface Projection {
  /** Some keys of the document changed. */
  change(stream: StreamName, changes: Changes): Promise<ProjectionPlan>
  /** The document is now this, whatever it was. @param before entries that the stream had in the map */
  replace(stream: StreamName, contents: Iterable<[string, Uint8Array]>, before: number): Promise<ProjectionPlan>
}

export const nothingToProject: ProjectionPlan = { ops: [], entriesDelta: 0, applied() {} }
