import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCbor } from '@skein/runtime'
import { parseInvite, signerFromSeed } from '../src/index.ts'
import { formatInvite } from '../src/membership/invite.ts'
import { entriesOf, TestMesh } from './mesh-of-ledgers.ts'
import type { TestNode } from './mesh-of-ledgers.ts'

const hour = 3_600_000

async function knock(mesh: TestMesh, through: TestNode, token: string, name: string): Promise<TestNode> {
  return mesh.join(name, through, token)
}

async function three(seed: number) {
  const mesh = new TestMesh(seed)
  const a = await mesh.found('a')
  const b = await mesh.join('b', a)
  await mesh.connectAll()
  const c = await mesh.join('c', b)
  await mesh.connectAll()
  await mesh.converged()
  return { mesh, a, b, c }
}

describe('invites', () => {
  it('let one node in, once, for as long as they live', async () => {
    const mesh = new TestMesh(1)
    const a = await mesh.found('a')
    const token = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1 }))
    assert.match(token, /^skein1:[A-Za-z0-9_-]+$/)
    assert.equal(a.ledger.gate.inviteOpen(), true)
    await knock(mesh, a, token, 'b')
    assert.equal(a.ledger.gate.inviteOpen(), false)
    await assert.rejects(knock(mesh, a, token, 'c'), { code: 'invite-used' })

    const late = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1 }))
    await mesh.clock.advance(hour + 1)
    assert.equal(a.ledger.gate.inviteOpen(), false)
    await assert.rejects(knock(mesh, a, late, 'd'), { code: 'invite-expired' })
    await assert.rejects(mesh.run(a.ledger.createInvite({ ttlMs: -1, uses: 1 })), { code: 'bad-invite-terms' })
  })

  it('are refused when forged, for another mesh, or shown for another node', async () => {
    const mesh = new TestMesh(2)
    const a = await mesh.found('a')
    const token = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1 }))
    const invite = parseInvite(token)
    const forged = formatInvite({ ...invite, seed: new Uint8Array(32).fill(1) })
    await assert.rejects(knock(mesh, a, forged, 'x'), { code: 'invite-unknown' })
    const elsewhere = formatInvite({ ...invite, meshId: '00'.repeat(32) })
    await assert.rejects(knock(mesh, a, elsewhere, 'y'), { code: 'wrong-mesh' })
    // A request overheard from one newcomer does not let another in.
    const newcomer = await mesh.stranger('n')
    const request = newcomer.ledger.joinRequest(invite, mesh.profile('n'))
    const thief = signerFromSeed(new Uint8Array(32).fill(5)).nodeId
    await assert.rejects(mesh.run(a.ledger.gate.acceptJoin(thief, '127.0.0.1', request)), { code: 'bad-proof' })
    await assert.rejects(mesh.run(a.ledger.gate.acceptJoin(thief, '127.0.0.1', encodeCbor([1, 2]))), {
      code: 'malformed-record',
    })
    for (const text of ['', 'skein1:', 'skein1:!!', 'skein2:AAAA', `${token}A`, token.slice(0, -9)]) {
      assert.throws(() => parseInvite(text), { code: 'bad-invite' }, text)
    }
    assert.deepEqual(parseInvite(`  ${token}\n`), invite)
  })

  it('answer again the newcomer that missed the answer', async () => {
    const mesh = new TestMesh(3)
    const a = await mesh.found('a')
    const invite = parseInvite(await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1 })))
    const node = await mesh.stranger('b')
    const request = node.ledger.joinRequest(invite, mesh.profile('b'))
    await mesh.run(a.ledger.gate.acceptJoin(node.signer.nodeId, '127.0.0.1', request))
    const reply = await mesh.run(a.ledger.gate.acceptJoin(node.signer.nodeId, '127.0.0.1', request))
    await mesh.run(node.ledger.adoptJoin(invite, mesh.profile('b'), reply))
    assert.equal(a.ledger.members().length, 2)
    assert.deepEqual(node.ledger.members(), a.ledger.members())
    await assert.rejects(mesh.run(node.ledger.adoptJoin(invite, mesh.profile('b'), reply)), { code: 'already-in-mesh' })
  })

  it('do not make a node a member by an answer that does not say so', async () => {
    const { mesh, a, b } = await three(4)
    const token = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 2 }))
    const invite = parseInvite(token)
    await mesh.until(() => b.ledger.gate.inviteOpen(), 'b knows the invite')
    const d = await mesh.stranger('d')
    const e = await mesh.stranger('e')
    const forD = await mesh.run(
      b.ledger.gate.acceptJoin(d.signer.nodeId, '127.0.0.1', d.ledger.joinRequest(invite, mesh.profile('d'))),
    )
    await assert.rejects(mesh.run(e.ledger.adoptJoin(invite, mesh.profile('e'), forD)), { code: 'bad-join-reply' })
    await assert.rejects(mesh.run(e.ledger.adoptJoin(invite, mesh.profile('e'), Uint8Array.of(1, 2, 3))), {
      code: 'bad-join-reply',
    })
    assert.equal(e.ledger.meshId, undefined)
  })

  it('used at once through two members let one of the two newcomers stay', async () => {
    const { mesh, a, b, c } = await three(5)
    const token = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1 }))
    await mesh.until(() => c.ledger.gate.inviteOpen(), 'c knows the invite')
    mesh.partition([a, b], [c])
    const d = await knock(mesh, a, token, 'd')
    const e = await knock(mesh, c, token, 'e')
    await mesh.connectAll([a, b, c, d])
    await mesh.until(() => !c.ledger.gate.isMember(e.signer.nodeId), 'c knows that e came second')
    assert.equal(await mesh.connect(e, c), false)
    assert.equal(await mesh.connect(d, c), true)
    await mesh.converged([a, b, c, d])
    assert.equal(a.ledger.members().length, 4)
  })

  it('introduce a newcomer to members who have not heard of it', async () => {
    const { mesh, a, b, c } = await three(6)
    mesh.partition([a], [b, c])
    const d = await mesh.join('d', a)
    assert.equal(await mesh.connect(d, c), true)
    await mesh.until(() => b.ledger.gate.isMember(d.signer.nodeId), 'b hears of d through c')
  })
})

describe('a node', () => {
  it('that is removed needs two admins, is cut off at once, and its users stay listed', async () => {
    const { mesh, a, b, c } = await three(7)
    await mesh.run(c.ledger.addUser('ccc@test.com'))
    await mesh.converged()
    const proposal = await mesh.run(a.ledger.proposeEvict('c', 'stolen'))
    assert.equal(proposal.effective, false)
    await mesh.until(() => b.ledger.pendingEvictions().length === 1, 'b sees the proposal')
    assert.equal(b.ledger.pendingEvictions()[0]?.targetName, 'c')
    assert.ok(a.link.peers.has(c.signer.nodeId))
    const again = await mesh.run(a.ledger.approveEvict(proposal.id))
    assert.equal(again.effective, false)
    let told = 0
    b.ledger.gate.onGateChange(() => told++)
    const outcome = await mesh.run(b.ledger.proposeEvict('c', 'yes'))
    assert.deepEqual(outcome, { effective: true, id: proposal.id })
    assert.ok(told > 0)
    assert.equal(b.link.peers.has(c.signer.nodeId), false)
    await mesh.until(() => a.ledger.gate.isEvicted(c.signer.nodeId), 'a knows')
    assert.equal(a.link.peers.has(c.signer.nodeId), false)
    assert.equal(await mesh.connect(c, a), false)
    const [entry] = await mesh.converged([a, b])
    assert.equal(entry?.address, 'ccc@test.com')
    assert.equal(entry?.state, 'suspended')
    assert.equal(a.ledger.directory.nodes().length, 2)
    assert.equal(a.ledger.directory.node(c.signer.nodeId)?.enabled, false)
  })

  it('that was evicted has what it wrote later taken back, wherever it went', async () => {
    const { mesh, a, b, c } = await three(8)
    const d = await mesh.join('d', a)
    await mesh.connectAll()
    await mesh.run(c.ledger.addUser('seen@test.com'))
    await mesh.converged()
    mesh.partition([a, b], [c, d])
    await mesh.run(c.ledger.addUser('unseen@test.com'))
    await mesh.run(c.ledger.addDomain('evil.com'))
    await mesh.converged([c, d])
    assert.ok(d.ledger.directory.lookup('unseen@test.com'))
    assert.ok(d.ledger.directory.domain('evil.com'))
    const proposal = await mesh.run(a.ledger.proposeEvict('c', 'stolen'))
    await mesh.until(() => b.ledger.pendingEvictions().length === 1, 'b sees the proposal')
    await mesh.run(b.ledger.approveEvict(proposal.id))
    await mesh.connectAll([a, b, d])
    const entries = await mesh.converged([a, b, d])
    assert.deepEqual(
      entries.map(({ address }) => address),
      ['seen@test.com'],
    )
    assert.equal(d.ledger.directory.lookup('unseen@test.com'), undefined)
    assert.equal(d.ledger.directory.domain('evil.com'), undefined)
    assert.equal(d.ledger.directory.byAccountId(entries[0]?.accountId ?? '')?.address, 'seen@test.com')
    // And after a start from the disk, still.
    const again = await mesh.restart(d)
    assert.deepEqual(
      (await entriesOf(again.ledger)).map(({ address }) => address),
      ['seen@test.com'],
    )
  })

  it('is removed with the recovery key alone, and with no other key', async () => {
    const { mesh, a, b } = await three(9)
    await assert.rejects(mesh.run(a.ledger.proposeEvict('b', 'lost', { recoveryKey: 'skein-recovery1:AAAA' })), {
      code: 'bad-recovery-key',
    })
    const outcome = await mesh.run(a.ledger.proposeEvict('b', 'lost', { recoveryKey: mesh.recoveryKey }))
    assert.equal(outcome.effective, true)
    assert.equal(a.ledger.gate.isMember(b.signer.nodeId), false)
  })

  it('leaves by its own word', async () => {
    const { mesh, a, b, c } = await three(10)
    await mesh.run(b.ledger.leave('sold'))
    await mesh.until(
      () => !a.ledger.gate.isMember(b.signer.nodeId) && !c.ledger.gate.isMember(b.signer.nodeId),
      'all know',
    )
    await assert.rejects(mesh.run(b.ledger.addUser('x@test.com')), { code: 'not-a-member' })
  })

  it('without the admin role speaks only for itself', async () => {
    const { mesh, a } = await three(11)
    const token = await mesh.run(a.ledger.createInvite({ ttlMs: hour, uses: 1, role: 'member' }))
    const m = await knock(mesh, a, token, 'm')
    await mesh.connectAll()
    assert.equal(m.ledger.role(), 'member')
    await assert.rejects(mesh.run(m.ledger.addDomain('new.com')), { code: 'not-permitted' })
    await assert.rejects(mesh.run(m.ledger.createInvite({ ttlMs: hour, uses: 1 })), { code: 'not-permitted' })
    await assert.rejects(mesh.run(m.ledger.proposeEvict('a', 'no')), { code: 'not-permitted' })
    await mesh.converged()
    assert.equal((await mesh.run(m.ledger.addUser('mmm@test.com'))).state, 'confirmed')
    await mesh.run(m.ledger.setSelf({ hostName: 'new.test.com' }))
    await mesh.converged()
    assert.equal(a.ledger.directory.node(m.signer.nodeId)?.hostName, 'new.test.com')
    await mesh.run(a.ledger.setRole('m', 'admin'))
    await mesh.until(() => m.ledger.role() === 'admin', 'm is an admin')
    await mesh.run(m.ledger.addDomain('new.com'))
    await mesh.converged()
  })

  it('has a name of its own', async () => {
    const { mesh, a, b, c } = await three(12)
    await assert.rejects(mesh.run(a.ledger.setNode('b', { name: 'c' })), { code: 'name-taken' })
    mesh.partition([a], [b], [c])
    await mesh.run(a.ledger.setNode('b', { name: 'hub' }))
    await mesh.run(c.ledger.setNode('c', { name: 'hub' }))
    await mesh.connectAll()
    await mesh.converged()
    const names = a.ledger.directory.nodes().map(({ name }) => name)
    assert.equal(names[0], 'a')
    assert.equal(names[1], 'hub')
    assert.match(names[2] ?? '', /^hub-[0-9a-f]{4}$/)
    // The more senior has the name.
    assert.equal(a.ledger.directory.nodes()[1]?.id, b.signer.nodeId)
  })
})

describe('shared settings', () => {
  it('are edited anywhere, refused with a reason, and the same everywhere', async () => {
    const { mesh, a, b, c } = await three(13)
    await mesh.run(b.ledger.addDomain('mailer.com.cn', { policy: 'strict', replicas: 2 }))
    await assert.rejects(mesh.run(b.ledger.addDomain('mailer.com.cn')), { code: 'domain-exists' })
    await assert.rejects(mesh.run(b.ledger.addDomain('not a domain')), { code: 'bad-domain' })
    await assert.rejects(mesh.run(b.ledger.setDomain('nowhere.com', {})), { code: 'no-such-domain' })
    await assert.rejects(mesh.run(b.ledger.addUser('x@nowhere.com')), { code: 'no-such-domain' })
    await assert.rejects(mesh.run(b.ledger.addUser('X@test.com')), { code: 'bad-address' })
    await assert.rejects(mesh.run(b.ledger.addUser('x~0a1b2c@test.com')), { code: 'bad-address' })
    await mesh.run(b.ledger.addUser('bbb@test.com'))
    await mesh.converged()
    await mesh.run(c.ledger.addAlias('team@test.com', ['bbb@test.com', 'x@elsewhere.org']))
    await mesh.converged()
    await assert.rejects(mesh.run(a.ledger.addUser('team@test.com')), { code: 'address-taken' })
    await assert.rejects(mesh.run(a.ledger.addUser('bbb@test.com')), { code: 'address-taken' })
    await assert.rejects(mesh.run(a.ledger.addAlias('bbb@test.com', ['team@test.com'])), { code: 'address-taken' })
    await assert.rejects(mesh.run(a.ledger.addAlias('y@test.com', [])), { code: 'bad-address' })
    await assert.rejects(mesh.run(a.ledger.removeDomain('test.com')), { code: 'domain-in-use' })
    await assert.rejects(mesh.run(a.ledger.removeUser('bbb@test.com')), { code: 'not-home' })
    await assert.rejects(mesh.run(a.ledger.removeUser('nobody@test.com')), { code: 'no-such-user' })
    await assert.rejects(mesh.run(a.ledger.setNode('nobody', {})), { code: 'no-such-node' })
    await assert.rejects(mesh.run(a.ledger.setNode('b', { allow: ['10.0.0.0/99'] })), { code: 'bad-allow-list' })
    await mesh.run(a.ledger.setDomain('mailer.com.cn', { replicas: 3 }))
    await mesh.run(c.ledger.removeAlias('team@test.com'))
    await mesh.run(b.ledger.removeUser('bbb@test.com'))
    await mesh.converged()
    assert.deepEqual(c.ledger.directory.domain('mailer.com.cn'), {
      name: 'mailer.com.cn',
      policy: 'strict',
      replicas: 3,
    })
    await mesh.run(a.ledger.removeDomain('test.com'))
    await mesh.converged()
    assert.deepEqual(
      b.ledger.directory.domains().map(({ name }) => name),
      ['mailer.com.cn'],
    )
    assert.equal(b.ledger.directory.alias('team@test.com'), undefined)
  })

  it('of one node edited on two sides of a partition keep both fields', async () => {
    const { mesh, a, b, c } = await three(14)
    mesh.partition([a], [b, c])
    await mesh.run(a.ledger.setNode('c', { priority: 5 }))
    await mesh.run(b.ledger.setNode('c', { description: 'third', enabled: false }))
    await mesh.connectAll()
    await mesh.converged()
    const record = c.ledger.directory.node(c.signer.nodeId)
    assert.deepEqual([record?.priority, record?.description, record?.enabled], [5, 'third', false])
  })
})
