// The delivery queue in memory, with the promises of the one in level: durable once `put` resolves, in the order of the calls.
import type { QueueItem, QueueStore } from '@skein/delivery'
import { SyncedWrites, type MemoryDiskSettings } from './synced-writes.ts'

export interface MemoryQueueStore extends QueueStore {
  /** Cuts the power: this store never answers again. Returns the store as the next start finds it. */
  crash(): MemoryQueueStore
}

export function createMemoryQueueStore(settings: MemoryDiskSettings = {}): MemoryQueueStore {
  return openMemoryQueueStore(new Map(), settings)
}

function openMemoryQueueStore(items: Map<string, string>, settings: MemoryDiskSettings): MemoryQueueStore {
  const disk = new SyncedWrites(settings)
  return {
    put(item) {
      // As text, so that nobody's later change of the object reaches the disk.
      const record = JSON.stringify(item)
      return disk.write(() => items.set(item.id, record))
    },
    remove(id, durably = false) {
      if (durably) return disk.write(() => items.delete(id))
      disk.writeLazily(() => items.delete(id))
      return disk.crashed ? new Promise(() => {}) : Promise.resolve()
    },
    get: (id) =>
      disk.read(() => {
        const record = items.get(id)
        return record === undefined ? undefined : (JSON.parse(record) as QueueItem)
      }),
    async *list() {
      const ids = await disk.read(() => [...items.keys()].sort())
      for (const id of ids) {
        const record = items.get(id)
        if (record !== undefined) yield JSON.parse(record) as QueueItem
      }
    },
    crash() {
      disk.crash()
      return openMemoryQueueStore(items, settings)
    },
  }
}
