// Disks that lose power, backups that are restored, machines that are cloned, peers that were away for long.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCbor } from '@skein/runtime'
import { createMemoryLedgerStore, createSeededRandom } from '@skein/testkit'
import type { MemoryLedgerStore } from '@skein/testkit'
import type { LedgerOp, LedgerStore } from '../src/index.ts'
import { writeBatch } from '../src/streams/batch.ts'
import { entriesOf, TestMesh } from './mesh-of-ledgers.ts'
import type { TestNode } from './mesh-of-ledgers.ts'

/** Everything in the store, as a backup takes it. */
async function copyOf(store: LedgerStore): Promise<MemoryLedgerStore> {
  const ops: LedgerOp[] = []
  for await (const bytes of store.membership()) ops.push({ op: 'membership', hash: String(ops.length), bytes })
  for await (const { stream, bytes } of store.heads()) {
    ops.push({ op: 'head', stream, bytes }, { op: 'snapshot', stream, bytes: (await store.snapshot(stream)) ?? null })
    for await (const batch of store.batches(stream, 0)) ops.push({ op: 'batch', stream, ...batch })
  }
  for (let shard = 0; shard < 64; shard++) {
    for (const [page, bytes] of (await store.placePages(shard)).entries()) {
      if (bytes) ops.push({ op: 'place-page', shard, page, bytes })
    }
    for (const [bucket, bytes] of (await store.accountPages(shard)).entries()) {
      if (bytes) ops.push({ op: 'account-page', shard, bucket, bytes })
    }
  }
  for await (const { address, bytes } of store.promises()) ops.push({ op: 'promise', address, bytes })
  for await (const { name, bytes } of store.intents()) ops.push({ op: 'intent', name, bytes })
  for (const name of ['mesh', 'format', 'owners', 'hints']) {
    ops.push({ op: 'meta', name, bytes: (await store.meta(name)) ?? null })
  }
  const copy = createMemoryLedgerStore()
  await copy.commit(ops)
  return copy
}

async function replace(mesh: TestMesh, node: TestNode, store: MemoryLedgerStore): Promise<TestNode> {
  for (const other of mesh.nodes.values()) if (other !== node) mesh.disconnect(node, other)
  await mesh.run(node.ledger.close())
  const again = await mesh.open(node.name, node.signer, store)
  again.ledger.attach(again.link)
  return again
}

async function two(seed: number, settings = {}) {
  const mesh = new TestMesh(seed, settings)
  const a = await mesh.found('a')
  const b = await mesh.join('b', a)
  await mesh.connectAll()
  await mesh.converged()
  return { mesh, a, b }
}

describe('checkpoints', () => {
  it('bring a newcomer up to date without the history, through somebody else', async () => {
    const { mesh, a, b } = await two(1, { checkpointBatches: 10 })
    for (let i = 0; i < 60; i++) await mesh.run(a.ledger.addAlias(`x${i}@test.com`, [`y${i}@test.com`]))
    await mesh.run(a.ledger.addUsers(Array.from({ length: 3_000 }, (_, i) => `user${i}@test.com`)))
    for (let i = 0; i < 25; i++) await mesh.run(a.ledger.setUserState('user7@test.com', i % 2 ? 'active' : 'suspended'))
    await mesh.converged()
    // The other node made the same snapshots from what it had.
    for await (const { stream } of a.store.heads()) {
      const [mine, theirs] = [await a.store.snapshot(stream), await b.store.snapshot(stream)]
      assert.deepEqual(
        theirs && Buffer.from(theirs).toString('hex'),
        mine && Buffer.from(mine).toString('hex'),
        stream.document,
      )
    }
    mesh.partition([a], [b])
    const c = await mesh.join('c', b)
    await mesh.connect(b, c)
    await mesh.converged([b, c])
    assert.equal(c.ledger.directory.count(), 3_000)
    assert.equal(c.ledger.directory.lookup('user7@test.com')?.state, 'suspended')
    assert.equal(c.ledger.directory.alias('x59@test.com')?.[0], 'y59@test.com')
    const again = await mesh.restart(c)
    assert.equal((await entriesOf(again.ledger)).length, 3_000)
    await mesh.connectAll()
    await mesh.converged()
  })

  it('bring back a peer that was away for longer than the logs reach', async () => {
    const { mesh, a, b } = await two(2, { checkpointBatches: 8, checkpointLogBytes: 2_000 })
    await mesh.run(b.ledger.addUser('bbb@test.com'))
    await mesh.converged()
    mesh.partition([a], [b])
    for (let i = 0; i < 100; i++) await mesh.run(a.ledger.setNode('b', { description: `try ${i}` }))
    await mesh.run(b.ledger.addUser('meanwhile@test.com'))
    await mesh.connectAll()
    const entries = await mesh.converged()
    assert.equal(entries.length, 2)
    assert.equal(b.ledger.directory.node(b.signer.nodeId)?.description, 'try 99')
    let kept = 0
    const stream = { author: a.signer.nodeId, document: 'mesh' }
    for await (const batch of b.store.batches(stream, 0)) if (batch) kept++
    assert.ok(kept <= 16, `${kept} batches kept`)
  })
})

describe('a power cut', () => {
  it('loses nothing that was acknowledged, and leaves no promise that nobody gives back', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = createSeededRandom(`cut ${seed}`)
      const { mesh, a, b } = await two(100 + seed)
      const acknowledged: string[] = []
      const adds = Array.from({ length: 30 }, async (_, i) => {
        const node = i % 2 ? a : b
        const added = await node.ledger.addUser(`u${i}@test.com`)
        acknowledged.push(added.address)
      })
      for (const add of adds) add.catch(() => {})
      await mesh.clock.advance(random.between(0, 12))
      const before = [...acknowledged]
      const again = await mesh.restart(a)
      await mesh.connectAll()
      await mesh.clock.advance(30_000)
      const entries = await mesh.converged()
      const listed = new Set(entries.map(({ address }) => address))
      for (const address of before) assert.ok(listed.has(address), `seed ${seed}: ${address}`)
      // Names that were being claimed when the power went are free again, or taken for good: never stuck.
      for (let i = 0; i < 30; i++) {
        if (listed.has(`u${i}@test.com`)) continue
        const added = await mesh.run(again.ledger.addUser(`u${i}@test.com`))
        assert.equal(added.state, 'confirmed', `seed ${seed}: u${i}`)
      }
      assert.equal((await mesh.converged()).length, 30)
    }
  })

  it('in the middle of everything leaves a store that opens', async () => {
    const { mesh, a, b } = await two(3, { checkpointBatches: 4 })
    let node = b
    for (let round = 0; round < 15; round++) {
      const pending = [
        node.ledger.addUsers(Array.from({ length: 50 }, (_, i) => `r${round}-${i}@test.com`)),
        node.ledger.addAlias(`alias${round}@test.com`, ['x@test.com']),
        node.ledger.setSelf({ hostName: `host${round}.test.com` }),
      ]
      for (const promise of pending) promise.catch(() => {})
      await mesh.clock.advance(round)
      node = await mesh.restart(node)
      await mesh.connectAll()
    }
    await mesh.clock.advance(30_000)
    await mesh.converged([a, node])
  })
})

describe('a restored backup', () => {
  it('takes up its own later words from its peers before it writes', async () => {
    const { mesh, a, b } = await two(4)
    await mesh.run(b.ledger.addUser('one@test.com'))
    await mesh.converged()
    const backup = await copyOf(b.store)
    await mesh.run(b.ledger.addUser('two@test.com'))
    await mesh.run(b.ledger.setSelf({ hostName: 'late.test.com' }))
    await mesh.converged()
    const again = await replace(mesh, b, backup)
    assert.equal(again.ledger.directory.lookup('two@test.com'), undefined)
    await mesh.connectAll()
    // Written at once: waits for what the peers know.
    const added = await mesh.run(again.ledger.addUser('three@test.com'))
    await mesh.run(again.ledger.setSelf({ region: 'elsewhere' }))
    assert.equal(added.state, 'confirmed')
    const entries = await mesh.converged()
    assert.deepEqual(
      entries.map(({ address }) => address),
      ['one@test.com', 'three@test.com', 'two@test.com'],
    )
    assert.equal(a.ledger.directory.node(b.signer.nodeId)?.hostName, 'late.test.com')
    assert.equal(a.ledger.stats().equivocations, 0)
  })

  it('that wrote before it met its peers keeps both lines, and says so', async () => {
    for (const checkpointBatches of [500, 3]) {
      const { mesh, a, b } = await two(5, { checkpointBatches })
      await mesh.run(b.ledger.setSelf({ hostName: 'first.test.com' }))
      await mesh.converged()
      const backup = await copyOf(b.store)
      for (let i = 0; i < 7; i++) await mesh.run(b.ledger.setSelf({ region: `there ${i}` }))
      await mesh.run(b.ledger.addUser('two@test.com'))
      await mesh.converged()
      const again = await replace(mesh, b, backup)
      await mesh.run(again.ledger.setSelf({ capacity: 4 }))
      await mesh.run(again.ledger.addUser('three@test.com'))
      let alarms = 0
      a.ledger.onEquivocation(({ author }) => {
        assert.equal(author, b.signer.nodeId)
        alarms++
      })
      await mesh.connectAll()
      const c = await mesh.join('c', a)
      await mesh.connectAll()
      await mesh.until(() => again.ledger.directory.lookup('two@test.com') !== undefined, 'the old line is back')
      await mesh.run(again.ledger.setSelf({ hostName: 'last.test.com' }))
      const entries = await mesh.converged()
      assert.deepEqual(
        entries.map(({ address }) => address),
        ['three@test.com', 'two@test.com'],
      )
      assert.ok(alarms > 0, 'the admins are told')
      const record = c.ledger.directory.node(b.signer.nodeId)
      assert.deepEqual([record?.region, record?.hostName], ['there 6', 'last.test.com'])
      // Nothing is left to tell each other.
      const sent = a.link.sent + c.link.sent
      await mesh.clock.advance(60_000)
      assert.ok(a.link.sent + c.link.sent - sent < 120, 'only digests go to and fro')
      assert.equal((await mesh.converged()).length, 2)
    }
  })
})

describe('a later version', () => {
  it('may write documents and keys that this one does not know: they are kept and passed on', async () => {
    const { mesh, a, b } = await two(6)
    const later = { author: b.signer.nodeId, document: 'calendar/2030' }
    const batch = writeBatch(
      { ...later, meshId: a.ledger.meshId ?? '', seq: 1, previous: [], time: 1, update: new Uint8Array([0, 0]) },
      b.signer.sign,
    )
    const push = encodeCbor([6, null, [], [batch.bytes], [], false, 'more of tomorrow'])
    await mesh.run(a.link.handlers.get('log')?.(b.signer.nodeId, push) as Promise<Uint8Array>)
    const c = await mesh.join('c', a)
    await mesh.connect(a, c)
    await mesh.until(async () => (await c.store.batch(later, 1, batch.hash)) !== undefined, 'c has it too')
    assert.deepEqual(await c.store.batch(later, 1, batch.hash), Uint8Array.from(batch.bytes))
  })
})

describe('many nodes', () => {
  it('agree after random cuts, crashes and edits', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = createSeededRandom(`soak ${seed}`)
      const mesh = new TestMesh(`soak ${seed}`, { checkpointBatches: random.pick([4, 20, 500]) })
      const first = await mesh.found('n0', ['test.com', 'mailer.com.cn'])
      for (let i = 1; i < random.between(3, 6); i++) {
        await mesh.join(`n${i}`, first)
        await mesh.connectAll()
      }
      await mesh.converged()
      const acknowledged = new Map<string, string>()
      for (let step = 0; step < 60; step++) {
        const nodes = [...mesh.nodes.values()]
        const node = random.pick(nodes)
        const { ledger } = node
        const address = `u${random.integer(25)}@test.com`
        const chance = random.next()
        if (chance < 0.45) {
          ledger.addUser(address).then(
            ({ accountId }) => acknowledged.set(accountId, node.name),
            () => {},
          )
        } else if (chance < 0.5) ledger.setUserState(address, 'suspended').catch(() => {})
        else if (chance < 0.6) ledger.addAlias(`a${step}@test.com`, [address]).catch(() => {})
        else if (chance < 0.7) ledger.setNode(random.pick(nodes).name, { priority: step }).catch(() => {})
        else if (chance < 0.75) ledger.setSelf({ region: `r${step}` }).catch(() => {})
        else if (chance < 0.85) {
          const groups: TestNode[][] = [[], [], []]
          for (const other of nodes) groups[random.integer(3)]?.push(other)
          mesh.partition(...groups)
        } else if (chance < 0.95) await mesh.connectAll()
        else await mesh.restart(node)
        await mesh.clock.advance(random.between(0, 300))
      }
      await mesh.connectAll()
      await mesh.clock.advance(30_000)
      const entries = await mesh.converged()
      const accounts = new Set(entries.map(({ accountId }) => accountId))
      assert.equal(accounts.size, entries.length, `seed ${seed}`)
      for (const accountId of acknowledged.keys()) assert.ok(accounts.has(accountId), `seed ${seed}: ${accountId}`)
      const [some] = mesh.nodes.values()
      for (const entry of entries) assert.deepEqual(some?.ledger.directory.byAccountId(entry.accountId), entry)
      assert.equal(some?.ledger.directory.count(), entries.length, `seed ${seed}`)
      // Whoever could be reached for half a minute is confirmed; only losers of a name are not.
      for (const { state } of entries) assert.notEqual(state, 'provisional', `seed ${seed}`)
    }
  })
})
