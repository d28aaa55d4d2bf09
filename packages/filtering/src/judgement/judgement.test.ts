import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCbor } from '@skein/runtime'
import { JudgementFixture } from './judgement-fixture.ts'
import { judgementLimits, judgementRecordLimits } from './limits.ts'
import { encodePush, judgementKinds } from './record.ts'

const dayMs = 24 * 3600_000

function agree(mesh: JudgementFixture, ids: readonly string[], count?: number): void {
  const [first, ...others] = ids.map((id) => mesh.knows(id))
  for (const other of others) assert.deepEqual(other, first)
  if (count !== undefined) assert.equal(first?.length, count)
}

test('what one node says all others know within a second', async () => {
  const mesh = new JudgementFixture(1)
  const a = await mesh.start('a')
  await mesh.start('b')
  await mesh.start('c')
  await mesh.clock.advance(1_000)
  a.say('ban', '192.0.2.1', { values: [1], untilMs: mesh.clock.nowMs() + dayMs, note: 'harvesting' })
  assert.equal(a.about('ban', '192.0.2.1').length, 1)
  await mesh.clock.advance(1_000)
  for (const id of ['b', 'c']) {
    assert.deepEqual(
      mesh.nodes
        .get(id)
        ?.about('ban', '192.0.2.1')
        .map(({ author, record }) => [author, record.note]),
      [['a', 'harvesting']],
    )
  }
})

test('ten thousand records of two sides of a partition are the same everywhere after it', async () => {
  const mesh = new JudgementFixture(2)
  for (const id of ['a', 'b', 'c']) await mesh.start(id)
  await mesh.clock.advance(1_000)
  mesh.network.partition([['a'], ['b', 'c']])
  await mesh.clock.advance(1_000)
  const untilMs = mesh.clock.nowMs() + dayMs
  for (let n = 0; n < 5_000; n++) {
    mesh.nodes.get('a')?.say('grey', `k${n}`, { values: [n], untilMs })
    mesh.nodes.get('b')?.say('grey', `k${n}`, { values: [-n], untilMs })
  }
  await mesh.clock.advance(5_000)
  agree(mesh, ['b', 'c'], 5_000)
  assert.equal(mesh.knows('a').length, 5_000)
  mesh.network.heal()
  await mesh.clock.advance(5_000)
  agree(mesh, ['a', 'b', 'c'], 10_000)
})

for (let seed = 1; seed <= 20; seed++) {
  test(`seed ${seed}: drops, doubles, partitions and crashes, then all agree and forget nothing that was heard`, async () => {
    const mesh = new JudgementFixture(seed, { dropChance: 0.05, duplicateChance: 0.1 })
    const ids = ['a', 'b', 'c', 'd']
    for (const id of ids) await mesh.start(id)
    const { random, clock } = mesh
    for (let step = 0; step < 60; step++) {
      const id = random.pick(ids)
      const node = mesh.nodes.get(id)
      if (random.chance(0.05)) {
        if (node) mesh.crash(id)
      } else if (!node) {
        await mesh.start(id)
      } else if (random.integer(20) === 0) {
        const [first = 'a', second = 'b'] = random.shuffle(ids)
        mesh.network.partition([[first, second], ids.filter((one) => one !== first && one !== second)])
      } else if (random.chance(0.1)) {
        mesh.network.heal()
      } else {
        for (let n = random.between(1, 200); n > 0; n--) {
          const untilMs = clock.nowMs() + 60_000 + random.integer(dayMs)
          node.say(random.pick(judgementKinds), `k${random.integer(300)}`, { values: [random.next()], untilMs })
        }
      }
      await clock.advance(random.between(0, 3_000))
    }
    mesh.network.heal()
    mesh.network.disturb({ drop: 0, duplicate: 0 })
    for (const id of ids) if (!mesh.nodes.has(id)) await mesh.start(id)
    // Whatever was asked in vain is asked again.
    await clock.advance(2 * judgementLimits.pushTimeoutMs + 2 * judgementLimits.pushAgainMs)
    // What an author lost in its own crash its peers may still hold, newer than its own; what it has, all have.
    for (const author of ids) {
      const own = mesh.saidBy(author, author)
      for (const id of ids) {
        const there = new Map(mesh.saidBy(id, author).map(({ kind, key, seq }) => [`${kind} ${key}`, seq]))
        const lacking = own.filter(({ kind, key, seq }) => (there.get(`${kind} ${key}`) ?? 0) < seq)
        assert.deepEqual(lacking, [], `${id} lacks words of ${author}`)
      }
    }
    // And whatever is said from now on is the same everywhere.
    for (const id of ids) {
      mesh.nodes.get(id)?.say('ban', 'last', { values: [1], untilMs: clock.nowMs() + dayMs })
    }
    await clock.advance(5_000)
    for (const id of ids) assert.equal(mesh.nodes.get(id)?.about('ban', 'last').length, ids.length)
  })
}

test('a node that crashed goes on where its peers heard it last, and is heard', async () => {
  const mesh = new JudgementFixture(3)
  const a = await mesh.start('a')
  await mesh.start('b')
  await mesh.clock.advance(1_000)
  a.say('ban', 'x', { values: [1], untilMs: mesh.clock.nowMs() + dayMs })
  await mesh.clock.advance(judgementLimits.shareDelayMs + 100)
  assert.equal(mesh.nodes.get('b')?.about('ban', 'x').length, 1)
  mesh.crash('a')
  const again = await mesh.start('a')
  assert.equal(again.own('ban', 'x'), undefined)
  await mesh.clock.advance(1_000)
  // What it said is not lost to the mesh: b still knows.
  assert.equal(mesh.nodes.get('b')?.about('ban', 'x').length, 1)
  again.say('ban', 'x', { values: [2], untilMs: mesh.clock.nowMs() + dayMs })
  await mesh.clock.advance(1_000)
  assert.deepEqual(mesh.nodes.get('b')?.about('ban', 'x')[0]?.record.values, [2])
})

test('state survives a restart, and only what is new is told again', async () => {
  const sent: string[] = []
  const mesh = new JudgementFixture(4, { onEvent: (what) => sent.push(what) })
  const a = await mesh.start('a')
  await mesh.start('b')
  for (let n = 0; n < 400; n++) a.say('grey', `${n}`, { values: [n], untilMs: mesh.clock.nowMs() + dayMs })
  await mesh.clock.advance(5_000)
  agree(mesh, ['a', 'b'], 400)
  await mesh.nodes.get('a')?.stop()
  mesh.network.crash('a')
  await mesh.start('a')
  sent.length = 0
  await mesh.clock.advance(5_000)
  agree(mesh, ['a', 'b'], 400)
  const bytes = sent.map((line) => Number(/a -> b request judge (\d+)/.exec(line)?.[1] ?? 0))
  assert.ok(Math.max(...bytes) < 100, `${Math.max(...bytes)} bytes for no news`)
})

test('an evicted member’s words go with it, on disk too', async () => {
  const mesh = new JudgementFixture(5)
  const a = await mesh.start('a')
  const b = await mesh.start('b')
  await mesh.clock.advance(1_000)
  b.say('ban', '198.51.100.1', { values: [1], untilMs: mesh.clock.nowMs() + dayMs })
  await mesh.clock.advance(5_000)
  assert.equal(a.about('ban', '198.51.100.1').length, 1)
  mesh.members.delete('b')
  assert.equal(a.about('ban', '198.51.100.1').length, 0)
  a.membersChanged()
  await mesh.clock.advance(5_000)
  assert.deepEqual((await mesh.stores.get('a')?.load(0))?.records, [])
})

test('a hostile member fills its own room and nobody else’s', async () => {
  const mesh = new JudgementFixture(6)
  const a = await mesh.start('a')
  const link = mesh.network.join('mallory')
  mesh.members.add('mallory')
  await mesh.clock.advance(1_000)
  a.say('ban', 'kept', { values: [1], untilMs: mesh.clock.nowMs() + dayMs })
  const nowMs = mesh.clock.nowMs()
  for (let from = 0; from < judgementRecordLimits.ban + 2_000; from += 500) {
    const records = Array.from({ length: 500 }, (_, n) => ({
      kind: 'ban' as const,
      key: `${from + n}`,
      seq: from + n + 1,
      untilMs: Number.MAX_SAFE_INTEGER,
      values: [1],
      note: '',
    }))
    await mesh.clock.runUntil(link.request('a', 'judge', encodePush({ after: from, upTo: from + 500, records })))
  }
  const bans = a.all('ban')
  assert.equal(bans.filter(({ author }) => author === 'mallory').length, judgementRecordLimits.ban)
  assert.ok(bans.every(({ record }) => record.untilMs <= nowMs + dayMs + 60_000))
  assert.equal(a.about('ban', 'kept').length, 1)
  const garbage = link.request('a', 'judge', encodeCbor({ after: 0, upTo: 'x', records: [] }))
  await assert.rejects(mesh.clock.runUntil(garbage), { code: 'bad-judgement' })
})

test('what is over is gone, in memory and on disk', async () => {
  const mesh = new JudgementFixture(7)
  const a = await mesh.start('a')
  a.say('ban', 'x', { values: [1], untilMs: mesh.clock.nowMs() + 30_000 })
  await mesh.clock.advance(29_000)
  assert.equal(a.about('ban', 'x').length, 1)
  await mesh.clock.advance(2_000)
  assert.equal(a.about('ban', 'x').length, 0)
  await mesh.clock.advance(judgementLimits.sweepEveryMs + judgementLimits.saveDelayMs)
  assert.equal(a.stats().records, 0)
  assert.deepEqual((await mesh.stores.get('a')?.load(0))?.records, [])
})
