import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { judgementStoreCompliance } from '@skein/filtering/compliance'
import type { JudgementStore } from '@skein/filtering'
import { Database } from './database.ts'
import { createJudgementStore } from './judgement-store.ts'

const opened = new Map<JudgementStore, { database: Database; directory: string }>()

async function openIn(directory: string): Promise<JudgementStore> {
  const database = await Database.open(directory)
  const store = createJudgementStore(database)
  opened.set(store, { database, directory })
  return store
}

after(async () => {
  for (const { database, directory } of opened.values()) {
    await database.close()
    await rm(directory, { recursive: true, force: true })
  }
})

judgementStoreCompliance('level', {
  open: async () => openIn(await mkdtemp(join(tmpdir(), 'skein-judgement-'))),
  async reopen(store) {
    const { database, directory } = opened.get(store) as { database: Database; directory: string }
    await database.close()
    opened.delete(store)
    return openIn(directory)
  },
})
