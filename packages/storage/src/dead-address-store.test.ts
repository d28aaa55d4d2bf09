import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { deadAddressStoreCompliance } from '@skein/delivery/compliance'
import type { DeadAddressStore } from '@skein/delivery'
import { Database } from './database.ts'
import { createDeadAddressStore } from './dead-address-store.ts'

const opened = new Map<DeadAddressStore, { database: Database; directory: string }>()

async function open(given?: string): Promise<DeadAddressStore> {
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'skein-dead-addresses-')))
  const database = await Database.open(directory)
  const store = createDeadAddressStore(database)
  opened.set(store, { database, directory })
  return store
}

after(async () => {
  for (const { database, directory } of opened.values()) {
    await database.close()
    await rm(directory, { recursive: true, force: true })
  }
})

deadAddressStoreCompliance('level', {
  open,
  // The files as they lie on the disk while the store is open: what a process that was killed leaves.
  async crash(store) {
    const copy = await mkdtemp(join(tmpdir(), 'skein-dead-addresses-'))
    const from = opened.get(store)?.directory ?? ''
    await cp(from, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
    return open(copy)
  },
})
