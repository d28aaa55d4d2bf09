import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queueItem, queueStoreCompliance } from '@skein/delivery/compliance'
import { isErrorCode } from '@skein/runtime'
import { levelStores } from './level-stores-fixture.ts'
import { createQueueStore } from './queue-store.ts'

const stores = levelStores('queue', createQueueStore)

queueStoreCompliance('level', stores)

test('a record of a later version is refused by name, not misread', async () => {
  const store = await stores.open()
  const value = Buffer.from('\u0002{}')
  await stores.databaseOf(store).write([{ type: 'put', key: `q!${queueItem(1).id}`, value }])
  await assert.rejects(store.get(queueItem(1).id), (error) => isErrorCode(error, 'record-version-unknown'))
})
