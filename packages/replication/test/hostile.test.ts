// Members and strangers who lie: nothing of what they send changes anything but their own documents.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeCbor, encodeCbor, SkeinError } from '@skein/runtime'
import type { PeerService } from '@skein/runtime'
import { createSeededRandom } from '@skein/testkit'
import fc from 'fast-check'
import * as Y from 'yjs'
import { encodeEntryValue } from '../src/claims/entry-value.ts'
import { encodeLogRequest } from '../src/exchange/messages.ts'
import { hex, sha256, shortIdOf, signerFromSeed } from '../src/identity.ts'
import { shardOf, usersDocument } from '../src/map/address-hash.ts'
import type { Signer } from '../src/ports.ts'
import { readBatch, writeBatch } from '../src/streams/batch.ts'
import { readCheckpoint, writeCheckpoint } from '../src/streams/checkpoint.ts'
import { seal } from '../src/wire/signed.ts'
import { entriesOf, TestMesh } from './mesh-of-ledgers.ts'
import type { TestNode } from './mesh-of-ledgers.ts'

async function two(seed: number) {
  const mesh = new TestMesh(seed)
  const a = await mesh.found('a')
  const b = await mesh.join('b', a)
  await mesh.connectAll()
  await mesh.run(a.ledger.addUser('aaa@test.com'))
  await mesh.run(b.ledger.addUser('bbb@test.com'))
  await mesh.converged()
  return { mesh, a, b }
}

/** One Yjs update that sets these keys. */
function update(entries: Record<string, Uint8Array>): Uint8Array {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const [key, value] of Object.entries(entries)) doc.getMap('m').set(key, value)
  })
  return Y.encodeStateAsUpdateV2(doc)
}

const entry = (n: number, more: object = {}) =>
  Uint8Array.from(
    encodeEntryValue({
      accountId: n.toString(16).padStart(32, '0'),
      epoch: 1,
      claimTime: n + 0xffff_ffff,
      suspended: false,
      registrars: [],
      acknowledgements: [],
      replicas: [],
      inSync: [],
      extra: [],
      ...more,
    }),
  )

interface Forgery {
  author: string
  document: string
  seq: number
  previous?: string[]
  update: Uint8Array
  sign: Signer['sign']
  meshId?: string
}

function forge(to: TestNode, { previous = [], meshId = to.ledger.meshId ?? '', sign, ...rest }: Forgery): Uint8Array {
  return writeBatch({ ...rest, previous, meshId, time: 1 }, sign).bytes
}

async function push(mesh: TestMesh, from: string, to: TestNode, batches: Uint8Array[], checkpoints: Uint8Array[] = []) {
  const request = encodeLogRequest({ kind: 'push', reach: null, membership: [], batches, checkpoints, compare: false })
  return send(mesh, from, to, 'log', request)
}

function send(mesh: TestMesh, from: string, to: TestNode, service: PeerService, payload: Uint8Array) {
  const handler = to.link.handlers.get(service)
  assert.ok(handler)
  return mesh.run(handler(from, payload))
}

describe('a forged batch', () => {
  it('is refused when its author did not sign it', async () => {
    const { mesh, a, b } = await two(1)
    const before = await entriesOf(a.ledger)
    const document = usersDocument(shardOf('evil@test.com'))
    const words = update({ 'evil@test.com': entry(1) })
    // b writes into c's... into a's own document, and into that of a stranger.
    for (const author of [a.signer.nodeId, signerFromSeed(new Uint8Array(32).fill(3)).nodeId]) {
      const bytes = forge(a, { author, document, seq: 1, update: words, sign: b.signer.sign })
      await assert.rejects(push(mesh, b.signer.nodeId, a, [bytes]), { code: 'bad-signature' })
    }
    // A signature for another purpose is none.
    const { payload } = splitRecord(
      forge(a, { author: b.signer.nodeId, document, seq: 1, update: words, sign: b.signer.sign }),
    )
    await assert.rejects(push(mesh, b.signer.nodeId, a, [seal('checkpoint', payload, b.signer.sign)]), {
      code: 'bad-signature',
    })
    // For another mesh.
    const elsewhere = forge(a, {
      author: b.signer.nodeId,
      document,
      seq: 1,
      update: words,
      sign: b.signer.sign,
      meshId: '11'.repeat(32),
    })
    await assert.rejects(push(mesh, b.signer.nodeId, a, [elsewhere]), { code: 'wrong-mesh' })
    assert.deepEqual(await entriesOf(a.ledger), before)
  })

  it('is refused when one bit of it was changed on the way', async () => {
    const { mesh, a, b } = await two(2)
    const document = usersDocument(shardOf('more@test.com'))
    const bytes = forge(a, {
      author: b.signer.nodeId,
      document,
      seq: 1,
      update: update({ 'more@test.com': entry(1) }),
      sign: b.signer.sign,
    })
    for (let at = 0; at < bytes.length; at += 5) {
      const altered = Uint8Array.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ 4
      await assert.rejects(push(mesh, b.signer.nodeId, a, [altered]), SkeinError)
    }
    assert.equal(a.ledger.directory.lookup('more@test.com'), undefined)
  })

  it('of somebody who is no member counts for nothing, even from a member', async () => {
    const { mesh, a, b } = await two(3)
    const stranger = signerFromSeed(new Uint8Array(32).fill(8))
    const document = usersDocument(shardOf('evil@test.com'))
    const words = update({ 'evil@test.com': entry(1) })
    const bytes = forge(a, { author: stranger.nodeId, document, seq: 1, update: words, sign: stranger.sign })
    await push(mesh, b.signer.nodeId, a, [bytes])
    assert.equal(a.ledger.directory.lookup('evil@test.com'), undefined)
    assert.equal(a.ledger.stats().batchesRefused, 1)
    // And the stranger itself is not heard at all, on either service.
    for (const service of ['log', 'own'] as const) {
      await assert.rejects(send(mesh, stranger.nodeId, a, service, bytes), { code: 'not-a-member' })
    }
  })

  it('that comes again changes nothing', async () => {
    const { mesh, a, b } = await two(4)
    const stored: Uint8Array[] = []
    for await (const { stream } of b.store.heads()) {
      for await (const { bytes } of b.store.batches(stream, 0)) stored.push(bytes)
    }
    const before = JSON.stringify([await entriesOf(a.ledger), a.ledger.stats().batchesApplied])
    for (let i = 0; i < 3; i++) await push(mesh, b.signer.nodeId, a, stored)
    assert.equal(JSON.stringify([await entriesOf(a.ledger), a.ledger.stats().batchesApplied]), before)
    assert.equal(a.ledger.stats().equivocations, 0)
  })

  it('that skips what comes before it is not applied', async () => {
    const { mesh, a, b } = await two(5)
    const document = usersDocument(shardOf('later@test.com'))
    const bytes = forge(a, {
      author: b.signer.nodeId,
      document,
      seq: 7,
      previous: ['ab'.repeat(32)],
      update: update({ 'later@test.com': entry(1) }),
      sign: b.signer.sign,
    })
    await push(mesh, b.signer.nodeId, a, [bytes])
    assert.equal(a.ledger.directory.lookup('later@test.com'), undefined)
  })
})

describe('a thief of a node', () => {
  it('takes no name that others confirmed, whatever it writes into its own documents', async () => {
    const mesh = new TestMesh(6)
    const a = await mesh.found('a')
    const b = await mesh.join('b', a)
    const c = await mesh.join('c', a)
    await mesh.connectAll()
    await mesh.converged()
    const victim = await mesh.run(a.ledger.addUser('boss@test.com'))
    assert.equal(victim.state, 'confirmed')
    await mesh.converged()
    const registrars = [a, b, c].map(({ signer }) => shortIdOf(signer.nodeId)).sort()
    const lies = [
      entry(1),
      entry(2, { registrars: [shortIdOf(b.signer.nodeId)] }),
      entry(3, {
        registrars,
        acknowledgements: [{ registrar: shortIdOf(c.signer.nodeId), proof: new Uint8Array(64) }],
      }),
      // The same account, copied with its proofs.
      ...(await proofsOf(a, 'boss@test.com')),
    ]
    const document = usersDocument(shardOf('boss@test.com'))
    for (const [i, lie] of lies.entries()) {
      const author = b.signer.nodeId
      const state = await lastOf(c, author, document)
      const forged = { author, document, update: update({ 'boss@test.com': lie }), sign: b.signer.sign }
      const bytes = forge(c, { ...forged, seq: state.seq + 1, previous: state.hash ? [state.hash] : [] })
      await push(mesh, author, c, [bytes])
      const holder = c.ledger.directory.lookup('boss@test.com')
      assert.deepEqual([holder?.accountId, holder?.home], [victim.accountId, a.signer.nodeId], `lie ${i}`)
      assert.equal(c.ledger.directory.byAccountId(victim.accountId)?.home, a.signer.nodeId, `lie ${i}`)
    }
  })

  it('harms nobody with nonsense in its own documents', async () => {
    const { mesh, a, b } = await two(7)
    const author = b.signer.nodeId
    const document = usersDocument(shardOf('bbb@test.com'))
    const nonsense = [
      new Uint8Array(0),
      Uint8Array.of(255, 255, 255),
      createSeededRandom(1).bytes(300),
      update({ 'bbb@test.com': Uint8Array.of(1, 2, 3), x: entry(4), ['y'.repeat(300) + '@test.com']: entry(5) }),
      update({ 'aaa@test.com': entry(6) }),
    ]
    let { seq, hash } = await lastOf(a, author, document)
    for (const words of nonsense) {
      const bytes = forge(a, {
        author,
        document,
        seq: ++seq,
        previous: hash ? [hash] : [],
        update: words,
        sign: b.signer.sign,
      })
      hash = readBatch(bytes, a.ledger.meshId ?? '').hash
      await push(mesh, author, a, [bytes])
    }
    assert.equal((await lastOf(a, author, document)).seq, seq)
    const held = a.ledger.directory.lookup('aaa@test.com')
    assert.equal(held?.home, a.signer.nodeId)
    for (const { address } of await entriesOf(a.ledger)) assert.match(address, /^aaa@test\.com$|^aaa~|^bbb@test\.com$/)
    // The same after a start from the disk.
    const before = await entriesOf(a.ledger)
    const again = await mesh.restart(a)
    assert.deepEqual(await entriesOf(again.ledger), before)
    await mesh.run(again.ledger.addUser('still@test.com'))
  })

  it('can not pass off another snapshot than the one that was signed', async () => {
    const mesh = new TestMesh(8, { checkpointBatches: 5, snapshotInlineBytesMax: 0 })
    const a = await mesh.found('a')
    const b = await mesh.join('b', a)
    await mesh.connectAll()
    for (let i = 0; i < 40; i++) await mesh.run(a.ledger.addAlias(`x${i}@test.com`, ['y@test.com']))
    await mesh.converged()
    const c = await mesh.join('c', b)
    // b hands out a's checkpoints with snapshots of its own making.
    const honest = b.link.handlers.get('log')
    assert.ok(honest)
    b.link.handlers.set('log', async (from, payload) => {
      const [code] = decodeCbor(payload) as unknown[]
      const answer = await honest(from, payload)
      return code === 5 ? Uint8Array.from(answer, (byte, i) => (i === 40 ? byte ^ 1 : byte)) : answer
    })
    await mesh.connect(c, b)
    await mesh.clock.advance(20_000)
    assert.deepEqual(c.ledger.directory.aliases(), [])
    // With an honest peer all is well.
    await mesh.connect(c, a)
    await mesh.converged([a, c])
    assert.equal(c.ledger.directory.aliases().length, 40)
  })
})

describe('a checkpoint', () => {
  it('counts only with its author’s signature and the snapshot that it names', async () => {
    const { mesh, a, b } = await two(9)
    const document = usersDocument(shardOf('bbb@test.com'))
    const snapshot = update({ 'bbb@test.com': entry(1) })
    const terms = {
      meshId: a.ledger.meshId ?? '',
      author: b.signer.nodeId,
      document,
      seq: 99,
      tips: ['cd'.repeat(32)],
      time: 1,
      snapshotHash: hex(sha256(snapshot)),
      snapshotBytes: snapshot.length,
    }
    const forged = writeCheckpoint(terms, a.signer.sign)
    assert.throws(() => readCheckpoint(forged.bytes, terms.meshId), { code: 'bad-signature' })
    await assert.rejects(push(mesh, b.signer.nodeId, a, [], [forged.bytes]), { code: 'bad-signature' })
    const huge = writeCheckpoint({ ...terms, snapshotBytes: 2 ** 40 }, b.signer.sign)
    await assert.rejects(push(mesh, b.signer.nodeId, a, [], [huge.bytes]), { code: 'record-too-long' })
  })
})

describe('hostile bytes', () => {
  const cbor = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.nat(),
      fc.string(),
      fc.uint8Array({ maxLength: 80 }),
      fc.boolean(),
      fc.constant(null),
      fc.double(),
      fc.array(tie('value'), { maxLength: 6 }),
      fc.dictionary(fc.string({ maxLength: 3 }), tie('value'), { maxKeys: 5 }),
    ),
  })).value
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    cbor.map((value) => Uint8Array.from(encodeCbor(value))),
    fc
      .tuple(fc.integer({ min: 0, max: 8 }), fc.array(cbor, { maxLength: 6 }))
      .map(([code, rest]) => Uint8Array.from(encodeCbor([code, ...rest]))),
  )

  it('on any door are answered or refused by name, never with a crash', async () => {
    const { mesh, a, b } = await two(10)
    const before = await entriesOf(a.ledger)
    const refusals = new Map<string, number>()
    const knock = async (what: () => Promise<unknown>) => {
      try {
        await mesh.run(what())
      } catch (error) {
        assert.ok(error instanceof SkeinError, String(error))
        refusals.set(error.code, (refusals.get(error.code) ?? 0) + 1)
      }
    }
    for (const bytes of fc.sample(payload, { numRuns: 1500, seed: 1 })) {
      for (const service of ['log', 'own'] as const) {
        await knock(async () => a.link.handlers.get(service)?.(b.signer.nodeId, bytes))
      }
      await knock(async () => a.ledger.gate.acceptHello(b.signer.nodeId, bytes))
      await knock(async () => a.ledger.gate.acceptJoin(b.signer.nodeId, '127.0.0.1', bytes))
    }
    assert.ok((refusals.get('malformed-cbor') ?? 0) > 100)
    assert.ok((refusals.get('malformed-record') ?? 0) > 100)
    assert.deepEqual(await entriesOf(a.ledger), before)
  })
})

function splitRecord(bytes: Uint8Array): { payload: Uint8Array } {
  const [payload] = decodeCbor(bytes) as Uint8Array[]
  return { payload: payload as Uint8Array }
}

async function lastOf(
  node: TestNode,
  author: string,
  document: string,
): Promise<{ seq: number; hash: string | undefined }> {
  let last: { seq: number; hash: string | undefined } = { seq: 0, hash: undefined }
  for await (const { seq, hash } of node.store.batches({ author, document }, 0)) last = { seq, hash }
  return last
}

/** The entry as its home wrote it. */
async function proofsOf(node: TestNode, address: string): Promise<Uint8Array[]> {
  const doc = new Y.Doc()
  const stream = { author: node.signer.nodeId, document: usersDocument(shardOf(address)) }
  for await (const { bytes } of node.store.batches(stream, 0)) {
    Y.applyUpdateV2(doc, readBatch(bytes, node.ledger.meshId ?? '').update)
  }
  const value = doc.getMap('m').get(address)
  assert.ok(value instanceof Uint8Array)
  return [value]
}
