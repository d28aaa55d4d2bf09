// Short sums that tell two nodes whether they hold the same, without naming what they hold.
import type { NodeId } from '@skein/runtime'
import { sha256Hex } from '../identity.ts'
import type { StreamState } from '../streams/stream.ts'
import type { StreamTable } from '../streams/stream-table.ts'

/** Over the author's documents, checkpoints and ends; sixteen hex digits. */
function authorDigest(states: Iterable<StreamState>): string {
  const lines: string[] = []
  for (const { stream, checkpointSeq, tips } of states) {
    if (tips.length > 0) lines.push(`${stream.document} ${checkpointSeq} ${tips.map(({ hash }) => hash).join(' ')}`)
  }
  return lines.length === 0 ? '' : sha256Hex(lines.sort().join('\n')).slice(0, 16)
}

/** Remembers each author's digest until one of its streams changes. */
export class Digests {
  readonly #table: StreamTable
  readonly #known = new Map<NodeId, { version: number; digest: string }>()

  constructor(table: StreamTable) {
    this.#table = table
  }

  ofAuthor(author: NodeId): string {
    const version = this.#table.versionOf(author)
    const known = this.#known.get(author)
    if (known?.version === version) return known.digest
    const digest = authorDigest(this.#table.ofAuthor(author))
    this.#known.set(author, { version, digest })
    return digest
  }

  byAuthor(): Record<NodeId, string> {
    const digests: [NodeId, string][] = []
    for (const author of this.#table.authors()) {
      const digest = this.ofAuthor(author)
      if (digest !== '') digests.push([author, digest])
    }
    return Object.fromEntries(digests.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  ofAll(): string {
    const lines = Object.entries(this.byAuthor()).map(([author, digest]) => `${author} ${digest}`)
    return sha256Hex(lines.join('\n')).slice(0, 16)
  }
}
