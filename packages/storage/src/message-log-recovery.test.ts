import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFile, copyFile, mkdtemp, open, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { BlobRef } from '@skein/mailboxes'
import { isErrorCode, silentLogger, systemClock, type Clock } from '@skein/runtime'
import { nodeDisk, type Disk } from './disk.ts'
import { openMessageLog, type DiskMessageLog, type MessageLogSettings } from './message-log.ts'

interface Place {
  directory: string
  open(settings?: MessageLogSettings): Promise<DiskMessageLog>
  /** The file that takes appends. */
  tail(): Promise<string>
  /** As a crash leaves the log: a copy of its files taken now, without closing it. */
  afterCrash(): Promise<Place>
}

async function placeFor(t: TestContext, clock: Clock = systemClock): Promise<Place> {
  const directory = await mkdtemp(join(tmpdir(), 'skein-recovery-'))
  const logs: DiskMessageLog[] = []
  t.after(async () => {
    for (const log of logs) await log.close().catch(() => {})
    await rm(directory, { recursive: true, force: true })
  })
  return {
    directory,
    async open(settings = {}) {
      const log = await openMessageLog(directory, { clock, logger: silentLogger }, { recentBytes: 0, ...settings })
      logs.push(log)
      return log
    },
    async tail() {
      const names = (await readdir(directory)).filter((name) => name.endsWith('.seg')).sort()
      return join(directory, names.at(-1) as string)
    },
    async afterCrash() {
      const copy = await placeFor(t, clock)
      for (const name of await readdir(directory)) await copyFile(join(directory, name), join(copy.directory, name))
      return copy
    },
  }
}

const letter = (index: number, length = 5000): Buffer => Buffer.from(`letter ${index} `.repeat(Math.ceil(length / 9)))

async function appendAll(log: DiskMessageLog, count: number, from = 0): Promise<{ ref: BlobRef; bytes: Buffer }[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const bytes = letter(from + index)
      return { ref: await log.append([bytes]), bytes }
    }),
  )
}

async function assertAllThere(log: DiskMessageLog, kept: { ref: BlobRef; bytes: Buffer }[]): Promise<void> {
  for (const { ref, bytes } of kept) assert.ok(Buffer.from(await log.read(ref)).equals(bytes))
}

test('a torn end of any length is cut off, and what was acknowledged stays', async (t) => {
  const place = await placeFor(t)
  const log = await place.open()
  const kept = await appendAll(log, 20)
  const durable = (await stat(await place.tail())).size
  const [torn] = await appendAll(log, 1, 99)
  assert.ok(torn)
  const whole = (await stat(await place.tail())).size
  for (const cut of [1, 20, 39, 40, 41, 44, 45, 3000, whole - durable - 1]) {
    const crashed = await place.afterCrash()
    await truncate(await crashed.tail(), durable + cut)
    const again = await crashed.open()
    assert.equal((await stat(await crashed.tail())).size, durable, `cut at ${cut}`)
    await assertAllThere(again, kept)
    await assert.rejects(again.read(torn.ref), (error) => isErrorCode(error, 'message-damaged'))
    const more = await appendAll(again, 3, 500)
    await assertAllThere(again, [...kept, ...more])
  }
})

test('garbage and zeros after the end are cut off', async (t) => {
  const place = await placeFor(t)
  const log = await place.open()
  const kept = await appendAll(log, 5)
  const durable = (await stat(await place.tail())).size
  for (const garbage of [Buffer.alloc(100_000), Buffer.from('SKM1'.repeat(5000)), letter(1, 70_000)]) {
    const crashed = await place.afterCrash()
    await appendFile(await crashed.tail(), garbage)
    const again = await crashed.open()
    assert.equal((await stat(await crashed.tail())).size, durable)
    await assertAllThere(again, [...kept, ...(await appendAll(again, 2, 7))])
  }
})

test('damage in the middle of the tail costs that message alone', async (t) => {
  const place = await placeFor(t)
  const log = await place.open()
  const kept = await appendAll(log, 10)
  for (const within of [4, 30, 2000]) {
    const crashed = await place.afterCrash()
    const hurt = kept[4] as (typeof kept)[number]
    const file = await open(await crashed.tail(), 'r+')
    await file.write(Buffer.from([0xff, 0xee, 0xdd]), 0, 3, hurt.ref.offset + within)
    await file.close()
    const again = await crashed.open()
    await assert.rejects(again.read(hurt.ref), (error) => isErrorCode(error, 'message-damaged'))
    await assertAllThere(
      again,
      kept.filter((it) => it !== hurt),
    )
    await assertAllThere(again, await appendAll(again, 1, 50))
  }
})

test('a read checks the blocks that it touches, and no others', async (t) => {
  const place = await placeFor(t)
  const log = await place.open()
  for (const solo of [false, true]) {
    const bytes = randomBytes(3_000_000)
    const writer = log.writer()
    if (solo) await writer.write(bytes)
    const ref = solo ? await writer.finish() : await log.append([bytes])
    const name = (await readdir(place.directory)).find((it) => it.endsWith(solo ? '.big' : '.seg')) as string
    const path = join(place.directory, name)
    const at = (await readFile(path)).indexOf(bytes.subarray(1_000_000, 1_000_100))
    const file = await open(path, 'r+')
    await file.write(Buffer.from([0]), 0, 1, at)
    await file.close()
    assert.ok(Buffer.from(await log.read(ref, 100, 900_000)).equals(bytes.subarray(100, 900_000)))
    assert.ok(Buffer.from(await log.read(ref, 1_200_000)).equals(bytes.subarray(1_200_000)))
    await assert.rejects(log.read(ref, 999_990, 1_000_010), (error) => isErrorCode(error, 'message-damaged'))
    await assert.rejects(log.read(ref), (error) => isErrorCode(error, 'message-damaged'))
  }
  const findings = []
  for await (const it of log.check()) findings.push(it)
  assert.deepEqual(
    findings.map((it) => it.type === 'record' && it.ok),
    [false, false],
  )
})

test('a half-written large message leaves nothing, whole ones survive', async (t) => {
  const place = await placeFor(t)
  const log = await place.open()
  const whole = log.writer()
  await whole.write(letter(1, 2_000_000))
  const ref = await whole.finish()
  const half = log.writer()
  await half.write(letter(2, 2_000_000))
  const crashed = await place.afterCrash()
  assert.ok((await readdir(crashed.directory)).some((name) => name.endsWith('.tmp')))
  const again = await crashed.open()
  assert.deepEqual(
    (await readdir(crashed.directory)).filter((name) => name.endsWith('.tmp')),
    [],
  )
  assert.equal((await again.read(ref)).length, ref.length)
  await half.abort()
  assert.deepEqual(
    (await readdir(place.directory)).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('a number is not used twice, though the segment is gone', async (t) => {
  const place = await placeFor(t)
  const numbers = new Set<number>()
  for (let round = 0; round < 4; round++) {
    const log = await place.open({ segmentBytes: 20_000 })
    for (let at = 0; at < 3; at++) {
      const writer = log.writer()
      await writer.write(letter(at, 1_100_000))
      const { segment } = await writer.finish()
      assert.ok(!numbers.has(segment))
      numbers.add(segment)
      log.release({ segment, offset: 32, length: 1 })
    }
    const outcome = await log.compact(() => false, { sealedMs: 0, releasedRatio: 0 })
    assert.ok(outcome.reclaimedBytes > 0)
    if (round % 2 === 0) await log.close()
  }
})

test('a start after a clean stop reads no messages; after a crash only the last segment', async (t) => {
  const place = await placeFor(t)
  const log = await place.open({ segmentBytes: 200_000 })
  const kept = []
  for (let round = 0; round < 30; round++) kept.push(...(await appendAll(log, 10, round * 10)))
  await log.close()
  let bytesRead = 0
  const counting: Disk = {
    ...nodeDisk,
    async read(fd, into, position) {
      const count = await nodeDisk.read(fd, into, position)
      bytesRead += count
      return count
    },
  }
  const second = await place.open({ segmentBytes: 200_000, disk: counting })
  assert.equal(bytesRead, 0)
  await assertAllThere(second, kept)
  const crashed = await place.afterCrash()
  bytesRead = 0
  const third = await crashed.open({ segmentBytes: 200_000, disk: counting })
  assert.ok(bytesRead > 0 && bytesRead <= 200_000, `${bytesRead}`)
  await assertAllThere(third, kept)
})

test('a lost state file is made again from the segments', async (t) => {
  const place = await placeFor(t)
  const log = await place.open({ segmentBytes: 20_000 })
  const kept = await appendAll(log, 10)
  await log.close()
  await writeFile(join(place.directory, 'log-state.json'), '12345\n{"version":1,"numberCeiling":1}')
  const again = await place.open({ segmentBytes: 20_000 })
  const more = await appendAll(again, 10, 100)
  await assertAllThere(again, [...kept, ...more])
  assert.equal(new Set([...kept, ...more].map(({ ref }) => `${ref.segment}/${ref.offset}`)).size, 20)
})

test('a failed sync refuses everything from then on, and reading goes on', async (t) => {
  const place = await placeFor(t)
  let broken = false
  const disk: Disk = {
    ...nodeDisk,
    async writeDurably(fd, parts, position) {
      await nodeDisk.writeDurably(fd, parts, position)
      if (broken) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
    },
  }
  const log = await place.open({ disk })
  const kept = await appendAll(log, 3)
  broken = true
  const outcomes = await Promise.allSettled([log.append([letter(1)]), log.append([letter(2)])])
  assert.ok(outcomes.every((it) => it.status === 'rejected' && isErrorCode(it.reason, 'store-failed')))
  broken = false
  await assert.rejects(log.append([letter(3)]), (error) => isErrorCode(error, 'store-failed'))
  const writer = log.writer()
  await assert.rejects(
    async () => {
      await writer.write(letter(4, 2_000_000))
      await writer.finish()
    },
    (error) => isErrorCode(error, 'store-failed'),
  )
  assert.ok(log.stats().failure)
  await assertAllThere(log, kept)
  await log.close()
  const again = await place.open()
  await assertAllThere(again, [...kept, ...(await appendAll(again, 1, 9))])
})

test('a full disk refuses, keeps nothing by halves, and works again when there is room', async (t) => {
  const place = await placeFor(t)
  let room = Infinity
  const disk: Disk = {
    ...nodeDisk,
    writeDurably: (fd, parts, position) => disk.writev(fd, parts, position),
    async writev(fd, parts, position) {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0)
      if (bytes <= room) {
        room -= bytes
        return nodeDisk.writev(fd, parts, position)
      }
      // Half of it gets there, as on a real disk.
      await nodeDisk.writev(fd, [Buffer.concat(parts).subarray(0, room)], position)
      room = 0
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
    },
  }
  const log = await place.open({ disk, segmentBytes: 60_000 })
  const kept = await appendAll(log, 5)
  room = 7000
  const full = await Promise.allSettled(Array.from({ length: 30 }, (_, index) => log.append([letter(index)])))
  assert.ok(full.every((it) => it.status === 'rejected' && isErrorCode(it.reason, 'disk-full')))
  const writer = log.writer()
  await assert.rejects(
    async () => {
      await writer.write(letter(1, 2_000_000))
      await writer.finish()
    },
    (error) => isErrorCode(error, 'disk-full'),
  )
  await writer.abort()
  room = Infinity
  kept.push(...(await appendAll(log, 20, 100)))
  await assertAllThere(log, kept)
  const crashed = await place.afterCrash()
  const again = await crashed.open({ segmentBytes: 60_000 })
  await assertAllThere(again, kept)
  const seen: string[] = []
  for await (const it of again.check()) if (it.type === 'record') seen.push(`${it.ref.segment}/${it.ref.offset}`)
  for (const { ref } of kept) assert.ok(seen.includes(`${ref.segment}/${ref.offset}`))
})

test('compaction gives room back, and old refs stay good through it, restarts and lost maps', async (t) => {
  const place = await placeFor(t)
  const settings = { segmentBytes: 100_000 }
  let log = await place.open(settings)
  const all = []
  for (let round = 0; round < 10; round++) all.push(...(await appendAll(log, 10, round * 10)))
  const places = new Map(all.map(({ ref }, index) => [`${ref.segment}/${ref.offset}`, index]))
  const isKept = (ref: BlobRef, part: number) => Number(places.get(`${ref.segment}/${ref.offset}`)) % part === 0
  let live = all.filter(({ ref }) => isKept(ref, 2))
  for (const { ref } of all) if (!isKept(ref, 2)) log.release(ref)
  assert.deepEqual(log.compactable(), [], 'sealed too short a time ago')
  const before = log.stats().bytes
  const first = await log.compact((ref) => isKept(ref, 2), { sealedMs: 0 })
  assert.ok(first.segments > 3 && first.droppedRecords > 20)
  assert.ok(log.stats().bytes < before - first.reclaimedBytes / 2)
  await assertAllThere(log, live)
  const second = await log.compact((ref) => isKept(ref, 6), { sealedMs: 0, releasedRatio: 0 })
  assert.ok(second.droppedRecords > 0)
  const tail = Math.max(...all.map(({ ref }) => ref.segment))
  live = live.filter(({ ref }) => ref.segment === tail || isKept(ref, 6))
  await assertAllThere(log, live)
  const gone = all.find(({ ref }) => ref.segment < tail && !isKept(ref, 6))
  assert.ok(gone)
  await assert.rejects(log.read(gone.ref), (error) => isErrorCode(error, 'message-damaged'))
  await log.close()
  for (const name of await readdir(place.directory)) {
    if (name.endsWith('.map')) await rm(join(place.directory, name))
  }
  log = await place.open(settings)
  await assertAllThere(log, live)
  assert.ok(
    (await readdir(place.directory)).some((name) => name.endsWith('.map')),
    'made again',
  )
  for await (const it of log.check()) assert.ok(it.type === 'record' && it.ok)
})

test('readers do not notice a compaction', async (t) => {
  const place = await placeFor(t)
  const log = await place.open({ segmentBytes: 100_000, openFilesMax: 2 })
  const all = await appendAll(log, 100)
  const live = all.filter((_, index) => index % 3 === 0)
  const liveOffsets = new Set(live.map(({ ref }) => `${ref.segment}/${ref.offset}`))
  const compacting = new AbortController()
  const readers = Array.from({ length: 4 }, async () => {
    while (!compacting.signal.aborted) await assertAllThere(log, live)
  })
  for (let round = 0; round < 3; round++) {
    await log.compact((ref) => liveOffsets.has(`${ref.segment}/${ref.offset}`), { sealedMs: 0, releasedRatio: 0 })
  }
  compacting.abort()
  await Promise.all(readers)
})

test('a crash at any step of a compaction leaves all that is live', async (t) => {
  const place = await placeFor(t)
  const log = await place.open({ segmentBytes: 30_000 })
  const all = await appendAll(log, 20)
  const live = all.filter((_, index) => index % 2 === 0)
  const liveOffsets = new Set(live.map(({ ref }) => `${ref.segment}/${ref.offset}`))
  const states: Place[] = []
  const snapshot: Disk = {
    ...nodeDisk,
    async fdatasync(fd) {
      states.push(await crashCopy())
      await nodeDisk.fdatasync(fd)
      states.push(await crashCopy())
    },
    async syncDirectory(path) {
      states.push(await crashCopy())
      await nodeDisk.syncDirectory(path)
    },
  }
  const crashCopy = () => place.afterCrash()
  await log.close()
  const compacting = await place.open({ segmentBytes: 30_000, disk: snapshot })
  await compacting.compact((ref) => liveOffsets.has(`${ref.segment}/${ref.offset}`), { sealedMs: 0, releasedRatio: 0 })
  assert.ok(states.length > 5)
  for (const state of states) await assertAllThere(await state.open(), live)
})

test('concurrent appends share syncs', async (t) => {
  const log = await (await placeFor(t)).open()
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      for (let at = 0; at < 10; at++) await log.append([letter(at)])
    }),
  )
  const { appends, syncs } = log.stats()
  assert.equal(appends, 500)
  assert.ok(syncs < 100, `${syncs} syncs`)
})
