// What working on streams needs from the rest of the ledger.
import type { Logger, NodeId } from '@skein/runtime'
import type { HybridClock } from '../hybrid-clock.ts'
import type { LedgerStore, Signer } from '../ports.ts'
import type { DocumentCache } from './documents.ts'
import type { Projection } from './projection.ts'

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
