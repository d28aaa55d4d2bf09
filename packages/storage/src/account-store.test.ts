import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Account } from '@skein/accounts'
import { createAccountStore } from './account-store.ts'
import { Database } from './database.ts'

const account: Account = {
  id: 'a'.repeat(32),
  address: 'aaa@test.com',
  displayName: '',
  role: 'user',
  passwordHash: '$argon2id$x',
  quotaBytes: 1,
  state: 'active',
  createdMs: 0,
}

async function openStore(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'skein-accounts-'))
  const database = await Database.open(directory)
  t.after(async () => {
    await database.close()
    await rm(directory, { recursive: true })
  })
  return { database, store: createAccountStore(database) }
}

test('an account as it was written before SCRAM is read, and keeps what it gets', async (t) => {
  const { database, store } = await openStore(t)
  const value = Buffer.concat([Buffer.of(1), Buffer.from(JSON.stringify(account))])
  await database.write([{ type: 'put', key: `u!${account.id}`, value }])
  assert.deepEqual(await store.get(account.id), account)
  const scram = { version: 1 as const, salt: 's', iterations: 4096, storedKey: 'k', serverKey: 'v', of: 'x' }
  await store.update(account.id, (before) => before && { ...before, scram })
  assert.deepEqual(await store.get(account.id), { ...account, scram })
})

test('changes made at once are all kept, whoever comes between', async (t) => {
  const { store } = await openStore(t)
  await store.put(account)
  const grow = () => store.update(account.id, (before) => before && { ...before, quotaBytes: before.quotaBytes + 1 })
  await Promise.all([...Array.from({ length: 50 }, grow), store.put({ ...account, quotaBytes: 1000 }), grow(), grow()])
  assert.equal((await store.get(account.id))?.quotaBytes, 1002)
})

test('an update that wants nothing writes nothing; a removed account does not come back', async (t) => {
  const { store } = await openStore(t)
  await store.put(account)
  await store.update(account.id, () => undefined)
  assert.deepEqual(await store.get(account.id), account)
  const removed = store.delete(account.id)
  await store.update(account.id, (before) => before && { ...before, quotaBytes: 9 })
  await removed
  assert.equal(await store.get(account.id), undefined)
})
