import { judgementStoreCompliance } from '@skein/filtering/compliance'
import { createMemoryJudgementStore } from './memory-judgement-store.ts'

judgementStoreCompliance('memory', {
  open: async () => createMemoryJudgementStore(),
  reopen: async (store) => store,
})
