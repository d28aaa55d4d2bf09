import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { traceStoreCompliance } from '@skein/delivery/compliance'
import type { TraceEvent } from '@skein/delivery'
import { createUlidFactory, systemRandom } from '@skein/runtime'
import { Database } from './database.ts'
import { createTraceStore } from './trace-store.ts'

const databases = new Map<object, Database>()
const directories: string[] = []

async function database(): Promise<Database> {
  const directory = await mkdtemp(join(tmpdir(), 'skein-trace-'))
  directories.push(directory)
  return Database.open(directory)
}

after(async () => {
  for (const open of databases.values()) await open.close()
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

traceStoreCompliance('level', {
  async open() {
    const under = await database()
    const store = createTraceStore(under)
    databases.set(store, under)
    return store
  },
  flush: async (store) => databases.get(store)?.write([]),
})

const day = 24 * 3600 * 1000

function letters(count: number, atMs: number, stepMs: number): TraceEvent[] {
  let nowMs = atMs
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, setTimer: () => ({ cancel() {} }) }
  const newId = createUlidFactory(clock, systemRandom)
  return Array.from({ length: count }, (_, n) => {
    nowMs = atMs + n * stepMs
    return {
      atMs: nowMs,
      node: 'n1',
      queueId: newId(),
      messageId: `${n}@test.com`,
      what: 'accepted',
      recipient: '',
      detail: '',
    }
  })
}

test('traces older than 30 days go, with what leads to them, a part at a time', async () => {
  const under = await database()
  const store = createTraceStore(under, { limits: { tracePruneRecordsMax: 15 } })
  databases.set(store, under)
  const events = letters(40, Date.UTC(2026, 0, 1), day)
  for (const event of events) store.add([event])
  await under.write([])
  const nowMs = Date.UTC(2026, 0, 1) + 50 * day
  assert.equal(await store.prune(nowMs), 15)
  assert.equal(await store.prune(nowMs), 5)
  assert.equal(await store.prune(nowMs), 0)
  const left: string[] = []
  for await (const [key] of under.prefix('t!')) left.push(key)
  assert.equal(left.length, 2 * 20 + 1)
  assert.deepEqual(await store.find('19@test.com'), [])
  assert.equal((await store.find('20@test.com')).length, 1)
})

test('no more records are kept than the limit says, the newest', async () => {
  const under = await database()
  const store = createTraceStore(under, { limits: { traceRecordsMax: 10, tracePruneEvery: 20 } })
  databases.set(store, under)
  const events = letters(100, Date.UTC(2026, 0, 1), 1000)
  for (const event of events) {
    store.add([event])
    await under.write([])
  }
  await store.prune(events.at(-1)?.atMs ?? 0)
  assert.equal((await store.find('99@test.com')).length, 1)
  assert.deepEqual(await store.find('0@test.com'), [])
  let left = 0
  for await (const _ of under.prefix('t!e!')) left++
  assert.ok(left <= 30, `${left} records`)
})
