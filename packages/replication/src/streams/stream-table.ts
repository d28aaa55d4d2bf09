// What is known of every stream, and the lanes in which documents are worked on: one at a time for each document.
import { SerialByKey } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import type { LedgerStore, StreamName } from '../ports.ts'
import { sharedDocument } from './documents.ts'
import type { DocumentPart } from './documents.ts'
import { decodeHead, emptyStream, streamKey } from './stream.ts'
import type { StreamState } from './stream.ts'

export class StreamTable {
  readonly #states = new Map<string, StreamState>()
  readonly #byAuthor = new Map<NodeId, Map<string, StreamState>>()
  readonly #versions = new Map<NodeId, number>()
  readonly #lanes = new SerialByKey<string>()

  async load(store: LedgerStore): Promise<void> {
    for await (const { stream, bytes } of store.heads()) this.keep(decodeHead(stream, bytes))
  }

  /** After the commit that makes it so. */
  keep(state: StreamState): void {
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
}

export function partOf(state: StreamState): DocumentPart {
  return { stream: state.stream, above: state.forked ? 0 : state.checkpointSeq }
}
