// Dead addresses in memory, with the promises of the store in level: durable once `put` or `remove` resolves.
import type { DeadAddress, DeadAddressStore } from '@skein/delivery'
import { SyncedWrites, type MemoryDiskSettings } from './synced-writes.ts'

export interface MemoryDeadAddressStore extends DeadAddressStore {
  /** Cuts the power: this store never answers again. Returns the store as the next start finds it. */
  crash(): MemoryDeadAddressStore
}

export function createMemoryDeadAddressStore(
  settings: MemoryDiskSettings = {},
  records = new Map<string, string>(),
): MemoryDeadAddressStore {
  const disk = new SyncedWrites(settings)
  return {
    put(record) {
      const text = JSON.stringify(record)
      return disk.write(() => records.set(record.address, text))
    },
    remove: (address) => disk.write(() => records.delete(address)),
    async *list() {
      for (const text of await disk.read(() => [...records.values()])) yield JSON.parse(text) as DeadAddress
    },
    crash() {
      disk.crash()
      return createMemoryDeadAddressStore(settings, records)
    },
  }
}
