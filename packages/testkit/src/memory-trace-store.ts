// The traces of letters in memory. Traces are best effort: a crash may lose those that no durable write took along.
import type { TraceEvent, TraceStore } from '@skein/delivery'

export interface MemoryTraceStore extends TraceStore {
  /** Everything that was added, in the order of the calls. */
  readonly events: readonly TraceEvent[]
}

export function createMemoryTraceStore(): MemoryTraceStore {
  const events: TraceEvent[] = []
  return {
    events,
    add: (added) => void events.push(...added),
    async find(key) {
      const bare = key.replace(/^<(.*)>$/, '$1')
      if (bare === '') return []
      return events
        .filter((event) => event.queueId === bare || event.messageId === bare)
        .sort((a, b) => a.atMs - b.atMs)
    },
  }
}
