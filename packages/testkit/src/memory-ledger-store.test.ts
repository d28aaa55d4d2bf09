import { ledgerStoreCompliance } from '@skein/replication/compliance'
import { createMemoryLedgerStore } from './memory-ledger-store.ts'
import type { MemoryLedgerStore } from './memory-ledger-store.ts'

ledgerStoreCompliance('memory', {
  open: async () => createMemoryLedgerStore(),
  crash: async (store) => (store as MemoryLedgerStore).crash(),
})
