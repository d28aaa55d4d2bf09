import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeCbor } from '@skein/runtime'
import { createSeededRandom } from '@skein/testkit'
import { MembershipWriter } from '../../test/membership-writer.ts'
import { keyFromSeed, verifiedByKey } from '../identity.ts'
import { seal } from '../wire/signed.ts'
import { readEntry, recoveryAuthor } from './entry.ts'
import type { MembershipEntry } from './entry.ts'
import { seqLimit } from './reducer.ts'
import { rotationBytes } from './rotation.ts'

/** A founded the mesh, B and C came in one after the other. */
function three(seed = 1) {
  const log = new MembershipWriter(seed)
  log.genesis('A')
  log.join('A', 'B')
  log.join('B', 'C')
  return log
}

describe('admission', () => {
  it('lets in whoever proves an invite, through any member', () => {
    const log = three()
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
    const { members, invites } = log.state()
    assert.deepEqual([...members.values()].map(({ profile }) => profile.name).sort(), ['A', 'B', 'C'])
    assert.ok([...invites.values()].every(({ usedBy, uses }) => usedBy.length === uses))
  })

  it('lets one of two in who use a single invite at once, the same one in whatever order', () => {
    const log = three()
    const invite = log.invite('A')
    log.admit('A', 'D', invite, { parents: [invite] })
    log.admit('C', 'E', invite, { parents: [invite] })
    const members = log.members()
    assert.equal(members.length, 4)
    // The more senior admitter's guest comes in.
    assert.deepEqual(members, ['A', 'B', 'C', 'D'])
    assert.deepEqual(log.members([...log.entries].reverse()), members)
  })

  it('counts a newcomer once that two members let in at once', () => {
    const log = three()
    const invite = log.invite('A')
    log.admit('A', 'D', invite, { parents: [invite] })
    log.admit('B', 'D', invite, { parents: [invite] })
    assert.deepEqual(log.members(), ['A', 'B', 'C', 'D'])
  })

  it('lets in no more than the invite says', () => {
    const log = three()
    const invite = log.invite('A', { uses: 2 })
    for (const name of ['D', 'E', 'F']) log.admit('B', name, invite)
    assert.deepEqual(log.members(), ['A', 'B', 'C', 'D', 'E'])
  })

  it('refuses proofs that are late, forged, for somebody else, or by an invite that does not hold', () => {
    const log = three()
    log.admit('A', 'late', log.invite('A', { expiresMs: 500 }), { timeMs: 501 })
    log.admit('A', 'forged', log.invite('A'), { seed: new Uint8Array(32).fill(9) })
    log.admit('A', 'other', log.invite('A'), { proofFor: 'somebody' })
    log.admit('A', 'stranger', log.invite('stranger'))
    log.admit('stranger', 'friend', log.invite('A'))
    const unseen = log.invite('A')
    log.admit('B', 'unseen', unseen, { parents: [log.entries[0] as MembershipEntry] })
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
  })

  it('keeps invites to admins', () => {
    const log = three()
    log.join('A', 'M', { role: 'member' })
    log.join('M', 'N')
    assert.deepEqual(log.members(), ['A', 'B', 'C', 'M'])
    log.write('B', { kind: 'role', node: log.id('M'), role: 'admin', cutoff: 0 })
    log.join('M', 'N')
    assert.ok(log.members().includes('N'))
  })
})

describe('eviction', () => {
  it('takes two admins where there are three members', () => {
    const log = three()
    const proposal = log.evict('A', 'C', { cutoffs: { 'users/00': 5, node: 2 } })
    const open = log.state().proposals
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
    assert.equal(open.length, 1)
    assert.deepEqual(open[0]?.signedBy, [log.id('A')])
    assert.equal(open[0]?.signaturesNeeded, 2)
    // The same admin twice is one admin.
    log.evict('A', 'C', { proposal })
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
    log.evict('B', 'C', { proposal, cutoffs: { 'users/00': 7 } })
    assert.deepEqual(log.members(), ['A', 'B'])
    const state = log.state()
    assert.deepEqual(state.proposals, [])
    assert.equal(state.former.get(log.id('C'))?.how, 'evicted')
    assert.equal(seqLimit(state, log.id('C'), 'users/00'), 7)
    assert.equal(seqLimit(state, log.id('C'), 'node'), 2)
    assert.equal(seqLimit(state, log.id('C'), 'users/01'), 0)
    assert.equal(seqLimit(state, log.id('A'), 'users/00'), Number.POSITIVE_INFINITY)
    assert.equal(seqLimit(state, log.id('nobody'), 'users/00'), 0)
  })

  it('does not add up separate proposals', () => {
    const log = three()
    log.join('A', 'D')
    const tips = log.tips()
    log.evict('A', 'D', { parents: tips })
    log.evict('B', 'D', { parents: tips })
    assert.deepEqual(log.members(), ['A', 'B', 'C', 'D'])
    assert.equal(log.state().proposals.length, 2)
  })

  it('takes one of two, and the target does not block it by letting friends in unseen', () => {
    const log = new MembershipWriter()
    log.genesis('A')
    const seen = log.join('A', 'B')
    log.evict('A', 'B', { parents: [seen] })
    const invite = log.invite('B', { parents: [seen], uses: 5 })
    log.admit('B', 'X', invite, { parents: [invite] })
    log.admit('B', 'Y', invite, { parents: [invite] })
    assert.deepEqual(log.members(), ['A'])
  })

  it('goes to the senior where two evict each other, even when the junior brings friends', () => {
    const log = new MembershipWriter()
    log.genesis('A')
    const seen = log.join('A', 'B')
    log.evict('A', 'B', { parents: [seen] })
    const invite = log.invite('B', { parents: [seen], uses: 5 })
    const x = log.admit('B', 'X', invite, { parents: [invite] })
    const proposal = log.evict('B', 'A', { parents: [x] })
    log.evict('X', 'A', { parents: [proposal], proposal })
    assert.deepEqual(log.members(), ['A'])
    assert.deepEqual(log.members([...log.entries].reverse()), ['A'])
  })

  it('is not made cheaper by writing as if one had known fewer members', () => {
    const log = new MembershipWriter()
    log.genesis('A')
    const two = log.join('A', 'B')
    log.join('B', 'C')
    // A knows of C: it says so in another word of its.
    log.invite('A')
    log.evict('A', 'B', { parents: [two] })
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
    assert.equal(log.state().proposals[0]?.signaturesNeeded, 2)
    const own = new MembershipWriter()
    own.genesis('A')
    const before = own.join('A', 'B')
    own.join('A', 'C')
    own.evict('A', 'B', { parents: [before] })
    assert.deepEqual(own.members(), ['A', 'B', 'C'])
  })

  it('stays in force when its author later follows what the evicted wrote', () => {
    const log = new MembershipWriter()
    log.genesis('A')
    const seen = log.join('A', 'B')
    log.evict('A', 'B', { parents: [seen] })
    const invite = log.invite('B', { parents: [seen] })
    log.admit('B', 'X', invite, { parents: [invite] })
    log.join('A', 'D')
    assert.deepEqual(log.members(), ['A', 'D'])
  })

  it('voids what the evicted did unseen, and keeps what was seen', () => {
    const log = three()
    const seenInvite = log.invite('C', { uses: 3 })
    log.admit('A', 'seen', seenInvite)
    const tips = log.tips()
    const proposal = log.evict('A', 'C', { parents: tips })
    log.evict('B', 'C', { parents: [proposal], proposal })
    const hidden = log.invite('C', { parents: tips })
    log.admit('C', 'hidden', hidden, { parents: [hidden] })
    assert.deepEqual(log.members(), ['A', 'B', 'seen'])
  })

  it('is for good: the key does not come back', () => {
    const log = three()
    const proposal = log.evict('A', 'C')
    log.evict('B', 'C', { proposal })
    log.join('A', 'C')
    assert.deepEqual(log.members(), ['A', 'B'])
  })

  it('needs nobody else for oneself, or with the recovery key', () => {
    const log = three()
    log.join('A', 'D')
    log.evict('C', 'C')
    assert.deepEqual(log.members(), ['A', 'B', 'D'])
    assert.equal(log.state().former.get(log.id('C'))?.how, 'left')
    log.evict(recoveryAuthor, 'B')
    assert.deepEqual(log.members(), ['A', 'D'])
  })

  it('with the recovery key wins over admins who evict at the same time', () => {
    const log = three()
    const tips = log.tips()
    const proposal = log.evict('B', 'A', { parents: tips })
    log.evict('C', 'A', { parents: [proposal], proposal })
    log.evict(recoveryAuthor, 'B', { parents: tips })
    assert.deepEqual(log.members(), ['A', 'C'])
  })

  it('by more admins wins over one by fewer', () => {
    const log = three()
    log.join('A', 'D')
    log.join('A', 'E')
    const tips = log.tips()
    const first = log.evict('A', 'D', { parents: tips })
    log.evict('B', 'D', { parents: [first], proposal: first })
    const second = log.evict('D', 'A', { parents: tips })
    const third = log.evict('C', 'A', { parents: [second], proposal: second })
    log.evict('E', 'A', { parents: [third], proposal: second })
    assert.deepEqual(log.members(), ['B', 'C', 'D', 'E'])
  })
})

describe('roles, keys, policies', () => {
  it('are taken from nobody but by himself or the recovery key', () => {
    const log = three()
    log.write('A', { kind: 'role', node: log.id('B'), role: 'member', cutoff: 3 })
    assert.equal(log.state().members.get(log.id('B'))?.role, 'admin')
    log.write('B', { kind: 'role', node: log.id('B'), role: 'member', cutoff: 4 })
    assert.equal(log.state().members.get(log.id('B'))?.role, 'member')
    assert.equal(seqLimit(log.state(), log.id('B'), 'mesh'), 4)
    assert.equal(seqLimit(log.state(), log.id('B'), 'users/00'), Number.POSITIVE_INFINITY)
    log.write(recoveryAuthor, { kind: 'role', node: log.id('C'), role: 'member', cutoff: 1 })
    assert.equal(log.state().members.get(log.id('C'))?.role, 'member')
  })

  it('pass to a new key that proves itself', () => {
    const log = three()
    const proof = log.signer('C2').sign(rotationBytes(log.meshId, log.id('C'), log.id('C2')))
    log.write('C', { kind: 'rotate', to: log.id('C2'), proof: new Uint8Array(64), cutoffs: {} })
    assert.deepEqual(log.members(), ['A', 'B', 'C'])
    log.write('C', { kind: 'rotate', to: log.id('C2'), proof, cutoffs: { 'users/05': 9 } })
    assert.deepEqual(log.members(), ['A', 'B', 'C2'])
    const state = log.state()
    assert.equal(state.former.get(log.id('C'))?.successor, log.id('C2'))
    assert.equal(seqLimit(state, log.id('C'), 'users/05'), 9)
    log.join('C', 'late')
    assert.deepEqual(log.members(), ['A', 'B', 'C2'])
    log.join('C2', 'D')
    assert.deepEqual(log.members(), ['A', 'B', 'C2', 'D'])
  })

  it('carry what a later version says', () => {
    const log = three()
    log.write('A', { kind: 'policy', values: { evictSignatures: 3, later: [1, 2] } })
    const payload = encodeCbor({
      v: 1,
      m: Buffer.from(log.meshId, 'hex'),
      k: 'of-tomorrow',
      a: log.id('A'),
      p: log.tips().map(({ hash }) => Buffer.from(hash, 'hex')),
      t: 1,
      b: { anything: true },
    })
    const entry = readEntry(seal('membership', payload, log.signer('A').sign), log.meshId, () => false)
    log.entries.push(entry)
    log.join('B', 'D')
    assert.deepEqual(log.members(), ['A', 'B', 'C', 'D'])
    assert.deepEqual(log.state().policy, { evictSignatures: 3, later: [1, 2] })
    assert.ok(log.state().graph.indexOf.has(entry.hash))
  })
})

describe('entries', () => {
  it('are refused when altered, of another mesh, or signed by another', () => {
    const log = three()
    const other = three(2)
    const entry = log.invite('A')
    const recovery = keyFromSeed(log.recoverySeed).publicKey
    const read = (bytes: Uint8Array) =>
      readEntry(bytes, log.meshId, (signed, by) => verifiedByKey(recovery, signed, by))
    assert.equal(read(entry.bytes).hash, entry.hash)
    for (let i = 0; i < entry.bytes.length; i += 7) {
      const altered = Uint8Array.from(entry.bytes)
      altered[i] = (altered[i] ?? 0) ^ 1
      assert.throws(() => read(altered), { name: 'SkeinError' }, `byte ${i}`)
    }
    assert.throws(() => read(other.invite('A').bytes), { code: 'wrong-mesh' })
    const forged = log.evict(recoveryAuthor, 'A')
    assert.throws(() => readEntry(forged.bytes, log.meshId, () => false), { code: 'bad-signature' })
    assert.equal(read(forged.bytes).author, recoveryAuthor)
  })
})

describe('the same entries', () => {
  /** A random history: nodes that see random parts of each other's words invite, admit, evict, promote and leave. */
  function randomHistory(seed: number): MembershipWriter {
    const random = createSeededRandom(`history ${seed}`)
    const log = new MembershipWriter(seed)
    log.genesis('n0')
    const names = ['n0']
    const invites: MembershipEntry[] = []
    for (let step = 0; step < 40; step++) {
      // What the author knows: a few earlier entries and all that they knew.
      const parents = random.shuffle(log.entries).slice(0, random.between(1, 3))
      const known = random.chance(0.5) ? log.tips() : parents
      const author = random.pick(names)
      const target = random.pick(names)
      const what = random.integer(10)
      if (what < 3) invites.push(log.invite(author, { parents: known, uses: random.between(1, 2) }))
      else if (what < 7 && invites.length > 0) {
        const name = random.chance(0.8) ? `n${names.length}` : target
        if (!names.includes(name)) names.push(name)
        log.admit(author, name, random.pick(invites), { parents: [...known, random.pick(invites)] })
      } else if (what < 9) {
        const open = log.entries.filter(({ body }) => body.kind === 'evict' && body.proposal === undefined)
        const proposal = open.length > 0 && random.chance(0.6) ? random.pick(open) : undefined
        const victim = proposal?.body.kind === 'evict' ? proposal.body.node : undefined
        const name = names.find((candidate) => log.id(candidate) === victim) ?? target
        log.evict(author, name, proposal ? { parents: [...known, proposal], proposal } : { parents: known })
      } else
        log.write(
          author,
          { kind: 'role', node: log.id(target), role: random.chance(0.5) ? 'admin' : 'member', cutoff: step },
          known,
        )
    }
    return log
  }

  function summary(log: MembershipWriter, entries: Iterable<MembershipEntry>): string {
    const state = log.state(entries)
    return JSON.stringify({
      members: [...state.members.values()].map(({ id, role, seniority }) => [id, role, seniority]),
      former: [...state.former.values()].map(({ id, how, signedBy }) => [id, how, signedBy]),
      invites: [...state.invites.values()].map(({ hash, usedBy }) => [hash, usedBy]),
      proposals: state.proposals,
      cutoffs: [...state.settingsCutoffs],
    })
  }

  it('mean the same in whatever order they came, over 150 random histories', () => {
    let evictions = 0
    let admissions = 0
    for (let seed = 1; seed <= 150; seed++) {
      const log = randomHistory(seed)
      const expected = summary(log, log.entries)
      const random = createSeededRandom(seed)
      for (let i = 0; i < 3; i++) assert.equal(summary(log, random.shuffle(log.entries)), expected, `seed ${seed}`)
      const state = log.state()
      evictions += state.former.size
      admissions += state.members.size - 1
      for (const { usedBy, uses } of state.invites.values()) assert.ok(usedBy.length <= uses, `seed ${seed}`)
      for (const id of state.former.keys()) assert.ok(!state.members.has(id), `seed ${seed}`)
    }
    assert.ok(evictions > 100 && admissions > 50, `${evictions} evictions, ${admissions} admissions`)
  })
})
