import type { StsPolicyRecord } from '@skein/delivery'
import { stsPolicyStoreCompliance } from '@skein/delivery/compliance'
import { createMemoryStsPolicyStore } from './memory-sts-policy-store.ts'

stsPolicyStoreCompliance('memory', async () => {
  const kept = new Map<string, StsPolicyRecord>()
  return {
    store: createMemoryStsPolicyStore(kept),
    reopen: async () => createMemoryStsPolicyStore(kept),
    close: async () => undefined,
  }
})
