import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { reportStoreCompliance } from '@skein/reports/compliance'
import { Database } from './database.ts'
import { createReportStore } from './report-store.ts'

const open = new Set<Database>()
const directories: string[] = []

after(async () => {
  for (const database of open) await database.close()
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

reportStoreCompliance('level', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-reports-'))
  directories.push(directory)
  let database = await Database.open(directory)
  open.add(database)
  return {
    store: createReportStore(database),
    async reopen() {
      await database.close()
      open.delete(database)
      database = await Database.open(directory)
      open.add(database)
      return createReportStore(database)
    },
  }
})
