import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SkeinError, isErrorCode } from '@skein/runtime'
import { Database, type DatabaseOp, type DatabaseSettings, type WriteChain, databaseLimits } from './database.ts'

async function openDatabase(t: TestContext, settings: DatabaseSettings = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'skein-database-'))
  const database = await Database.open(directory, settings)
  t.after(async () => {
    await database.close()
    await rm(directory, { recursive: true })
  })
  return { database, directory }
}

const put = (key: string, value = key): DatabaseOp => ({ type: 'put', key, value: Buffer.from(value) })

async function contents(database: Database, prefix = ''): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for await (const [key, value] of database.prefix(prefix)) all[key] = Buffer.from(value).toString()
  return all
}

test('what waits together is written together, in the order of the calls', async (t) => {
  const { database } = await openDatabase(t)
  const done: number[] = []
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      await database.write([put('same', String(index)), put(`k${index}`)])
      done.push(index)
    }),
  )
  assert.deepEqual(
    done,
    Array.from({ length: 100 }, (_, index) => index),
  )
  assert.equal(Buffer.from((await database.get('same')) ?? []).toString(), '99')
  assert.equal(Buffer.from(database.getSync('k7') ?? []).toString(), 'k7')
  assert.deepEqual(
    (await database.getMany(['k1', 'none'])).map((it) => it && Buffer.from(it).toString()),
    ['k1', undefined],
  )
})

test('a range is deleted with what was put before it in the same write, not after it', async (t) => {
  const { database } = await openDatabase(t)
  await database.write([put('a!1'), put('a!2'), put('b!1')])
  const range: DatabaseOp = { type: 'del-range', gte: 'a!', lt: 'a!\u{10FFFF}' }
  await Promise.all([database.write([put('a!3')]), database.write([range]), database.write([put('a!4')])])
  assert.deepEqual(await contents(database), { 'a!4': 'a!4', 'b!1': 'b!1' })
})

test('ranges come in key order, both ways, limited, as pairs, values or keys', async (t) => {
  const { database } = await openDatabase(t)
  const keys = Array.from({ length: 2500 }, (_, index) => `k${String(index).padStart(5, '0')}`)
  await database.write(keys.map((key) => put(key)))
  assert.deepEqual(Object.keys(await contents(database, 'k')), keys)
  const values: string[] = []
  for await (const slice of database.valuesOf({ gte: 'k00010', lt: 'k02000' })) {
    for (const value of slice) values.push(Buffer.from(value).toString())
  }
  assert.deepEqual(values, keys.slice(10, 2000))
  const backwards: string[] = []
  for await (const key of database.keysOf({ gte: 'k', lt: 'l', reverse: true, limit: 2 })) backwards.push(key)
  assert.deepEqual(backwards, ['k02499', 'k02498'])
})

test('lazy writes keep their place, go with the next write, and alone after a moment', async (t) => {
  const { database } = await openDatabase(t, { lazyDelayMs: 20 })
  const first = database.write([put('x', 'first')])
  database.writeLazily([{ type: 'del', key: 'x' }, put('lazy')])
  await first
  await database.write([put('y')])
  assert.deepEqual(await contents(database), { lazy: 'lazy', y: 'y' })
  database.writeLazily([put('y', 'later'), put('alone')])
  const deadline = Date.now() + 5000
  while (!(await database.get('alone')) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal((await contents(database))['alone'], 'alone')
  database.writeLazily(Array.from({ length: databaseLimits.lazyOpsMax }, (_, index) => put(`many${index}`)))
  database.writeLazily([put('last')])
  await database.close()
})

test('lazy writes are not lost by a clean stop', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-database-'))
  t.after(() => rm(directory, { recursive: true }))
  const database = await Database.open(directory)
  database.writeLazily([put('lazy')])
  await database.close()
  await assert.rejects(database.write([put('x')]), (error) => isErrorCode(error, 'store-closed'))
  const again = await Database.open(directory)
  assert.deepEqual(await contents(again), { lazy: 'lazy' })
  await again.close()
})

test('a second opening is refused', async (t) => {
  const { directory } = await openDatabase(t)
  await assert.rejects(Database.open(directory), (error) => isErrorCode(error, 'store-locked'))
})

test('writes behind a failed one of their chain fail, others do not', async (t) => {
  const { database } = await openDatabase(t)
  const chain: WriteChain = { failure: new SkeinError('earlier', 'temporary', 'an earlier write failed') }
  const [behind, other] = await Promise.allSettled([database.write([put('a')], chain), database.write([put('b')])])
  assert.ok(behind.status === 'rejected' && isErrorCode(behind.reason, 'earlier'))
  assert.equal(other.status, 'fulfilled')
  assert.deepEqual(await contents(database), { b: 'b' })
})

test('what was acknowledged is in the files: a copy taken right then has it', async (t) => {
  const { database, directory } = await openDatabase(t)
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 20 }, (_, index) => database.write([put(`r${round}-${index}`)])))
    const copy = await mkdtemp(join(tmpdir(), 'skein-database-copy-'))
    await cp(directory, copy, { recursive: true })
    await unlink(join(copy, 'LOCK'))
    const crashed = await Database.open(copy)
    assert.equal(Object.keys(await contents(crashed)).length, (round + 1) * 20)
    await crashed.close()
    await rm(copy, { recursive: true })
  }
})

function smallDisk(t: TestContext, directory: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    t.skip('needs the right to mount a small file system')
    return false
  }
  return true
}

test('a last part of the disk is kept free, and reading goes on', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-small-disk-'))
  if (!smallDisk(t, directory)) return rm(directory, { recursive: true })
  const database = await Database.open(join(directory, 'db'), { reserveBytes: 1024 * 1024 })
  try {
    await database.write([put('before')])
    await writeFile(join(directory, 'ballast'), Buffer.alloc(2.3 * 1024 * 1024))
    const deadline = Date.now() + 5000
    const refused = async () => {
      while (Date.now() < deadline) await database.write([put('x')])
    }
    await assert.rejects(refused(), (error) => isErrorCode(error, 'disk-full'))
    assert.ok(await database.get('before'))
    await unlink(join(directory, 'ballast'))
    await database.write([put('after')])
  } finally {
    await database.close()
    execFileSync('umount', [directory])
    await rm(directory, { recursive: true })
  }
})

test('a full disk refuses; with room again everything acknowledged is there and writing goes on', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'skein-small-disk-'))
  if (!smallDisk(t, directory)) return rm(directory, { recursive: true })
  const database = await Database.open(join(directory, 'db'), { writeBufferBytes: 64 * 1024, reserveBytes: 0 })
  try {
    const ballast = join(directory, 'ballast')
    await writeFile(ballast, Buffer.alloc(1024 * 1024))
    const kept: string[] = []
    const chain: WriteChain = { failure: null }
    let failures = 0
    for (let index = 0; failures === 0 && index < 10_000; index++) {
      const key = `k${index}`
      const writes = [
        database.write([put(key, key.repeat(3000))], chain),
        database.write([put(`${key}-behind`)], chain),
      ]
      const [first, behind] = await Promise.allSettled(writes)
      if (first?.status === 'fulfilled' && behind?.status === 'fulfilled') kept.push(key)
      else failures += 1
    }
    assert.ok(chain.failure && isErrorCode(chain.failure, 'disk-full'), 'the small disk ran full')
    await assert.rejects(database.write([put('again')], chain), (error) => isErrorCode(error, 'disk-full'))
    for (const key of kept) assert.equal(database.getSync(key)?.length, key.length * 3000, 'reading goes on')
    await unlink(ballast)
    await database.write([put('after')])
    for (const key of kept) assert.equal((await database.get(key))?.length, key.length * 3000)
    await database.close()
    const again = await Database.open(join(directory, 'db'), { reserveBytes: 0 })
    for (const key of [...kept, 'after']) assert.ok(await again.get(key), key)
    assert.equal(await again.get('again'), undefined)
    await again.close()
  } finally {
    await database.close()
    execFileSync('umount', [directory])
    await rm(directory, { recursive: true })
  }
})
