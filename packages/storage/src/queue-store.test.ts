import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { queueItem, queueStoreCompliance } from '@skein/delivery/compliance'
import type { QueueStore } from '@skein/delivery'
import { isErrorCode } from '@skein/runtime'
import { Database } from './database.ts'
import { createQueueStore } from './queue-store.ts'

const opened = new Map<QueueStore, { database: Database; directory: string }>()
const directories: string[] = []

async function open(directory?: string): Promise<QueueStore> {
  const at = directory ?? (await mkdtemp(join(tmpdir(), 'skein-queue-')))
  directories.push(at)
  const database = await Database.open(at)
  const store = createQueueStore(database)
  opened.set(store, { database, directory: at })
  return store
}

after(async () => {
  for (const { database } of opened.values()) await database.close()
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

queueStoreCompliance('level', {
  open,
  // A copy of the files as they lie on the disk while the store is open: what a process that was killed leaves.
  async crash(store) {
    const { directory } = opened.get(store) as { directory: string }
    const copy = await mkdtemp(join(tmpdir(), 'skein-queue-crash-'))
    await cp(directory, copy, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
    return open(copy)
  },
})

test('a record of a later version is refused by name, not misread', async () => {
  const store = await open()
  const { database } = opened.get(store) as { database: Database }
  await database.write([{ type: 'put', key: `q!${queueItem(1).id}`, value: Buffer.from('\u0002{}') }])
  await assert.rejects(store.get(queueItem(1).id), (error) => isErrorCode(error, 'record-version-unknown'))
})
