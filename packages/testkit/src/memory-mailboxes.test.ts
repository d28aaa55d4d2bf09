import { mailboxStoreCompliance, messageLogCompliance } from '@skein/mailboxes/compliance'
import { createMemoryMailboxStore } from './memory-mailbox-store.ts'
import { createMemoryMessageLog } from './memory-message-log.ts'

mailboxStoreCompliance('memory', async () => {
  const store = createMemoryMailboxStore()
  return { store, reopen: async () => store.crash(), close: async () => {} }
})

messageLogCompliance('memory', async () => {
  const log = createMemoryMessageLog()
  return { log, reopen: async () => log.crash(), close: async () => {} }
})
