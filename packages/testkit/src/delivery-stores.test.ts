import { deadAddressStoreCompliance, queueStoreCompliance, traceStoreCompliance } from '@skein/delivery/compliance'
import { createMemoryDeadAddressStore, type MemoryDeadAddressStore } from './memory-dead-address-store.ts'
import { createMemoryQueueStore, type MemoryQueueStore } from './memory-queue-store.ts'
import { createMemoryTraceStore } from './memory-trace-store.ts'

queueStoreCompliance('memory', {
  open: async () => createMemoryQueueStore(),
  crash: async (store) => (store as MemoryQueueStore).crash(),
})

queueStoreCompliance('memory, where a part of the unsynced writes survives', {
  open: async () => {
    let left = 1
    return createMemoryQueueStore({ survives: () => left-- > 0 })
  },
  crash: async (store) => (store as MemoryQueueStore).crash(),
})

traceStoreCompliance('memory', {
  open: async () => createMemoryTraceStore(),
  flush: async () => {},
})

deadAddressStoreCompliance('memory', {
  open: async () => createMemoryDeadAddressStore(),
  crash: async (store) => (store as MemoryDeadAddressStore).crash(),
})
