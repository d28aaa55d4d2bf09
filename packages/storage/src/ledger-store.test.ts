import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { LedgerStore } from '@skein/replication'
import { ledgerStoreCompliance } from '@skein/replication/compliance'
import { Database } from './database.ts'
import { createLedgerStore } from './ledger-store.ts'

const opened = new Map<LedgerStore, { database: Database; directory: string }>()
const directories: string[] = []

async function open(directory?: string): Promise<LedgerStore> {
  const at = directory ?? (await mkdtemp(join(tmpdir(), 'skein-ledger-')))
  directories.push(at)
  const database = await Database.open(at)
  const store = createLedgerStore(database)
  opened.set(store, { database, directory: at })
  return store
}

after(async () => {
  for (const { database } of opened.values()) await database.close()
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

ledgerStoreCompliance('level', {
  open,
  // A copy of the files as they lie on the disk while the store is open: what a process that was killed leaves.
  async crash(store) {
    const { directory } = opened.get(store) as { directory: string }
    const copy = await mkdtemp(join(tmpdir(), 'skein-ledger-crash-'))
    await cp(directory, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
    return open(copy)
  },
})
