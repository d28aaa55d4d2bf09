import { reportStoreCompliance } from '@skein/reports/compliance'
import { createMemoryReportStore } from './memory-report-store.ts'

reportStoreCompliance('memory', async () => {
  const store = createMemoryReportStore()
  return { store, reopen: async () => store }
})
