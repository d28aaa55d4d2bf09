import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isErrorCode } from '@skein/runtime'
import { entriesOf, TestMesh } from './mesh-of-ledgers.ts'

async function threeNodes(seed: number) {
  const mesh = new TestMesh(seed)
  const a = await mesh.found('a', ['test.com', 'mailer.com.cn'])
  const b = await mesh.join('b', a)
  await mesh.connectAll()
  const c = await mesh.join('c', b)
  await mesh.connectAll()
  await mesh.converged()
  return { mesh, a, b, c }
}

describe('ledgers converge', () => {
  it('lists a user on every node, confirmed, in under two seconds', async () => {
    const { mesh, a, b, c } = await threeNodes(1)
    assert.deepEqual(
      c.ledger.directory.nodes().map(({ name }) => name),
      ['a', 'b', 'c'],
    )
    const before = mesh.clock.nowMs()
    const added = await mesh.run(b.ledger.addUser('bbb@test.com'))
    assert.equal(added.state, 'confirmed')
    await mesh.until(() => a.ledger.directory.lookup('bbb@test.com') !== undefined, 'a knows', 2_000)
    await mesh.until(() => c.ledger.directory.lookup('bbb@test.com') !== undefined, 'c knows', 2_000)
    assert.ok(mesh.clock.nowMs() - before < 2_000)
    const entry = c.ledger.directory.lookup('bbb@test.com')
    assert.deepEqual(entry, {
      address: 'bbb@test.com',
      accountId: added.accountId,
      home: b.signer.nodeId,
      epoch: 1,
      replicas: [],
      state: 'confirmed',
    })
    assert.deepEqual(a.ledger.directory.byAccountId(added.accountId), entry)
    assert.equal(a.ledger.directory.count(), 1)
  })

  it('adds 200 users at once on three nodes and ends with one list', async () => {
    const { mesh, a, b, c } = await threeNodes(2)
    const adds: Promise<{ state: string }>[] = []
    for (let i = 0; i < 200; i++) {
      const node = [a, b, c][i % 3] as typeof a
      adds.push(node.ledger.addUser(`user${i}@test.com`))
    }
    const added = await mesh.run(Promise.all(adds))
    assert.ok(added.every(({ state }) => state === 'confirmed'))
    const entries = await mesh.converged()
    assert.equal(entries.length, 200)
    assert.deepEqual(
      entries.map(({ address }) => address),
      [...entries].map(({ address }) => address).sort(),
    )
  })

  it('refuses a name that two connected nodes add at once to one of them, cleanly', async () => {
    const { mesh, a, b, c } = await threeNodes(3)
    for (let i = 0; i < 20; i++) {
      const outcomes = await mesh.run(
        Promise.allSettled([a, b, c].map(({ ledger }) => ledger.addUser(`same${i}@test.com`))),
      )
      const won = outcomes.filter(({ status }) => status === 'fulfilled')
      assert.equal(won.length, 1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.ok(isErrorCode(outcome.reason, 'address-taken'))
      }
    }
    const entries = await mesh.converged()
    assert.equal(entries.length, 20)
    assert.ok(entries.every(({ state }) => state === 'confirmed'))
  })

  it('reaches the far end of a line of nodes', async () => {
    const mesh = new TestMesh(4)
    const a = await mesh.found('a')
    const b = await mesh.join('b', a)
    await mesh.connect(a, b)
    const c = await mesh.join('c', b)
    await mesh.connect(b, c)
    const d = await mesh.join('d', c)
    await mesh.connect(c, d)
    await mesh.converged()
    await mesh.run(a.ledger.addUser('first@test.com'))
    await mesh.run(d.ledger.addUser('last@test.com'))
    await mesh.until(() => d.ledger.directory.lookup('first@test.com') !== undefined, 'd knows', 2_000)
    await mesh.run(c.ledger.addAlias('info@test.com', ['first@test.com']))
    await mesh.run(b.ledger.setNode('d', { priority: 7, description: 'far away', allow: ['10.0.0.0/8'] }))
    const entries = await mesh.converged()
    assert.equal(entries.length, 2)
    assert.deepEqual(a.ledger.directory.alias('info@test.com'), ['first@test.com'])
    assert.equal(a.ledger.directory.node(d.signer.nodeId)?.description, 'far away')
    assert.equal(d.ledger.gate.allowsAddress('10.1.2.3'), true)
    assert.equal(d.ledger.gate.allowsAddress('11.1.2.3'), false)
  })

  it('works on both sides of a partition and agrees after it', async () => {
    const { mesh, a, b, c } = await threeNodes(5)
    await mesh.run(a.ledger.addUser('before@test.com'))
    await mesh.converged()
    mesh.partition([a], [b, c])
    const alone = await mesh.run(a.ledger.addUser('alone@test.com'))
    assert.equal(alone.state, 'provisional')
    const pair = await mesh.run(b.ledger.addUser('pair@test.com'))
    assert.equal(pair.state, 'confirmed')
    assert.equal(a.ledger.directory.lookup('alone@test.com')?.state, 'provisional')
    await mesh.connectAll()
    const entries = await mesh.converged()
    assert.equal(entries.length, 3)
    await mesh.until(() => c.ledger.directory.lookup('alone@test.com')?.state === 'confirmed', 'confirmed after all')
    await mesh.converged()
  })

  it('resolves a name claimed on both sides of a partition, alike everywhere, and loses nobody', async () => {
    const { mesh, a, b, c } = await threeNodes(6)
    mesh.partition([a], [b], [c])
    const onA = await mesh.run(a.ledger.addUser('twin@test.com'))
    const onB = await mesh.run(b.ledger.addUser('twin@test.com'))
    const conflicts: string[] = []
    for (const { ledger } of [a, b, c]) ledger.onConflict(({ loser }) => conflicts.push(loser.renamedTo))
    await mesh.connectAll()
    const entries = await mesh.converged()
    assert.equal(entries.length, 2)
    const [first, second] = entries
    // The earlier claim keeps the name.
    const twin = entries.find(({ address }) => address === 'twin@test.com')
    assert.equal(twin?.accountId, onA.accountId)
    const renamed = entries.find(({ address }) => address !== 'twin@test.com')
    assert.equal(renamed?.accountId, onB.accountId)
    assert.equal(renamed?.state, 'renamed')
    assert.match(renamed?.address ?? '', /^twin~[0-9a-f]{6}@test\.com$/)
    assert.ok(first && second)
    assert.equal(new Set(conflicts).size, 1)
    assert.equal(conflicts.length, 3)
    assert.deepEqual(c.ledger.directory.lookup(renamed?.address ?? ''), renamed)
    assert.deepEqual(c.ledger.directory.byAccountId(onB.accountId), renamed)
    await mesh.until(() => b.ledger.directory.lookup('twin@test.com')?.state === 'confirmed', 'the winner is confirmed')
    await mesh.converged()
    await mesh.run(b.ledger.removeUser(renamed?.address ?? ''))
    assert.equal((await mesh.converged()).length, 1)
  })

  it('starts again from its store with all that it knew', async () => {
    const { mesh, a, b } = await threeNodes(7)
    for (let i = 0; i < 30; i++) await mesh.run(b.ledger.addUser(`u${i}@test.com`))
    await mesh.run(
      a.ledger
        .setUserState('u3@test.com', 'active')
        .catch((error: unknown) => assert.ok(isErrorCode(error, 'not-home'))),
    )
    await mesh.run(b.ledger.setUserState('u3@test.com', 'suspended'))
    const before = await mesh.converged()
    const again = await mesh.restart(b)
    assert.deepEqual(await entriesOf(again.ledger), before)
    assert.equal(again.ledger.directory.lookup('u3@test.com')?.state, 'suspended')
    await mesh.connectAll()
    await mesh.run(again.ledger.addUser('more@test.com'))
    assert.equal((await mesh.converged()).length, 31)
  })
})
