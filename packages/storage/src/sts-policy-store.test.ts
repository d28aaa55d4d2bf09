import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stsPolicyStoreCompliance } from '@skein/delivery/compliance'
import { Database } from './database.ts'
import { createStsPolicyStore } from './sts-policy-store.ts'

stsPolicyStoreCompliance('level', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-sts-'))
  let database = await Database.open(directory)
  return {
    store: createStsPolicyStore(database),
    async reopen() {
      await database.close()
      database = await Database.open(directory)
      return createStsPolicyStore(database)
    },
    async close() {
      await database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
})
