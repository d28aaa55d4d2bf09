// Requests that are slow, lost or come twice leave no name stuck at a registrar.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signerFromSeed } from '../src/index.ts'
import { registrarKey } from '../src/claims/registrars.ts'
import { decodeClaimAnswers, encodeOwnRequest } from '../src/registrar/messages.ts'
import { TestMesh } from './mesh-of-ledgers.ts'
import type { TestNode } from './mesh-of-ledgers.ts'

async function three(seed: number) {
  const mesh = new TestMesh(seed)
  const a = await mesh.found('a')
  const b = await mesh.join('b', a)
  const c = await mesh.join('c', a)
  await mesh.connectAll()
  await mesh.converged()
  return { mesh, a, b, c, nodes: [a, b, c] }
}

async function promisesAt(node: TestNode): Promise<string[]> {
  const addresses: string[] = []
  for await (const { address } of node.store.promises()) addresses.push(address)
  return addresses
}

/** A claim in the name of `from`, as a slow network delivers it. */
async function lateClaim(mesh: TestMesh, nodes: TestNode[], from: TestNode, to: TestNode, address: string) {
  const registrars = registrarKey(nodes.map(({ signer }) => signer.nodeId))
  const claim = { address, accountId: 'ab'.repeat(16), claimTime: mesh.clock.nowMs() * 1000, registrars }
  const request = encodeOwnRequest({ kind: 'claim', groups: [[claim]] })
  const handler = to.link.handlers.get('own')
  assert.ok(handler)
  return decodeClaimAnswers(await mesh.run(handler(from.signer.nodeId, request)))[0]?.answers[0]
}

describe('a promise', () => {
  it('for a claim that came after its claimant had given up is found out, and the name is free', async () => {
    const { mesh, a, b, c, nodes } = await three(1)
    for (const registrar of [b, c]) {
      assert.deepEqual(await lateClaim(mesh, nodes, a, registrar, 'late@test.com'), { kind: 'granted' })
    }
    await assert.rejects(mesh.run(c.ledger.addUser('late@test.com')), { code: 'address-taken' })
    await mesh.clock.advance(100_000)
    assert.deepEqual(await promisesAt(b), [])
    assert.equal((await mesh.run(c.ledger.addUser('late@test.com'))).state, 'confirmed')
  })

  it('is kept as long as its claimant can’t be asked', async () => {
    const { mesh, a, b, c, nodes } = await three(2)
    await lateClaim(mesh, nodes, a, b, 'late@test.com')
    mesh.partition([a], [b, c])
    await mesh.clock.advance(300_000)
    assert.deepEqual(await promisesAt(b), ['late@test.com'])
  })

  it('ends when the name stands confirmed, is removed, or its claimant is evicted', async () => {
    const { mesh, a, b, c, nodes } = await three(3)
    await mesh.run(a.ledger.addUser('one@test.com'))
    await mesh.converged()
    await mesh.clock.advance(1_000)
    for (const node of nodes) assert.deepEqual(await promisesAt(node), [])
    mesh.partition([a], [b], [c])
    await mesh.run(a.ledger.addUser('alone@test.com'))
    assert.deepEqual(await promisesAt(a), ['alone@test.com'])
    await mesh.run(a.ledger.removeUser('alone@test.com'))
    await mesh.clock.advance(1_000)
    assert.deepEqual(await promisesAt(a), [])
    await mesh.connectAll()
    await lateClaim(mesh, nodes, c, b, 'gone@test.com')
    mesh.partition([a, b], [c])
    const { id } = await mesh.run(a.ledger.proposeEvict('c', 'gone'))
    await mesh.until(() => b.ledger.pendingEvictions().length === 1, 'b sees the proposal')
    await mesh.run(b.ledger.approveEvict(id))
    assert.deepEqual(await promisesAt(b), [])
    assert.equal((await mesh.run(b.ledger.addUser('gone@test.com'))).state, 'confirmed')
  })

  it('is given to one of those who ask, whoever else asks later', async () => {
    const { mesh, a, b, c, nodes } = await three(4)
    assert.deepEqual(await lateClaim(mesh, nodes, a, c, 'x@test.com'), { kind: 'granted' })
    assert.deepEqual(await lateClaim(mesh, nodes, a, c, 'x@test.com'), { kind: 'granted' })
    const other = encodeOwnRequest({
      kind: 'claim',
      groups: [
        [
          {
            address: 'x@test.com',
            accountId: 'cd'.repeat(16),
            claimTime: 1,
            registrars: registrarKey(nodes.map(({ signer }) => signer.nodeId)),
          },
        ],
      ],
    })
    const handler = c.link.handlers.get('own')
    assert.ok(handler)
    const [answer] = decodeClaimAnswers(await mesh.run(handler(b.signer.nodeId, other)))
    assert.equal(answer?.answers[0]?.kind, 'held')
    // Nobody but the claimant gives it back.
    const release = encodeOwnRequest({
      kind: 'release',
      names: [{ address: 'x@test.com', accountId: 'ab'.repeat(16) }],
    })
    await mesh.run(handler(b.signer.nodeId, release))
    assert.deepEqual(await promisesAt(c), ['x@test.com'])
    await mesh.run(handler(a.signer.nodeId, release))
    assert.deepEqual(await promisesAt(c), [])
    // Nor does a stranger ask for anything.
    const stranger = signerFromSeed(new Uint8Array(32).fill(77)).nodeId
    await assert.rejects(mesh.run(handler(stranger, release)), { code: 'not-a-member' })
  })
})
