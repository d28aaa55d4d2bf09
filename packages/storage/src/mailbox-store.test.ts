import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mailboxStoreCompliance } from '@skein/mailboxes/compliance'
import { Database } from './database.ts'
import { createMailboxStore } from './mailbox-store.ts'

mailboxStoreCompliance('level', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-mailbox-store-'))
  let database = await Database.open(directory)
  return {
    store: createMailboxStore(database),
    async reopen() {
      await database.close()
      database = await Database.open(directory)
      return createMailboxStore(database)
    },
    async close() {
      await database.close()
      await rm(directory, { recursive: true })
    },
  }
})
