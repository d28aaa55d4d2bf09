// What every LedgerStore must do. `open` makes an empty one; `crash` cuts the power and opens what is left on the disk.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LedgerOp, LedgerStore, StreamName } from '../ports.ts'

export interface LedgerStoreSetup {
  open(): Promise<LedgerStore>
  crash(store: LedgerStore): Promise<LedgerStore>
}

const users: StreamName = { author: '12D3KooWAlpha', document: 'users/07' }
const shared: StreamName = { author: '12D3KooWAlpha', document: 'mesh' }
const other: StreamName = { author: '12D3KooWBeta', document: 'users/07' }

const bytes = (text: string) => new TextEncoder().encode(text)
const hashOf = (n: number) => n.toString(16).padStart(64, '0')

function batchOp(stream: StreamName, seq: number, hash = hashOf(seq)): LedgerOp {
  return { op: 'batch', stream, seq, hash, bytes: bytes(`${stream.author} ${stream.document} ${seq} ${hash}`) }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = []
  for await (const item of items) list.push(item)
  return list
}

async function seqs(store: LedgerStore, stream: StreamName, above = 0): Promise<number[]> {
  return (await all(store.batches(stream, above))).map(({ seq }) => seq)
}

const same = (actual: Uint8Array | undefined, expected: string) =>
  assert.equal(actual && Buffer.from(actual).toString(), expected)

export function ledgerStoreCompliance(name: string, setup: LedgerStoreSetup): void {
  describe(`LedgerStore: ${name}`, () => {
    it('gives nothing from an empty store', async () => {
      const store = await setup.open()
      assert.deepEqual(await all(store.membership()), [])
      assert.deepEqual(await all(store.heads()), [])
      assert.deepEqual(await all(store.batches(users, 0)), [])
      assert.deepEqual(await all(store.conflicts()), [])
      assert.deepEqual(await all(store.promises()), [])
      assert.deepEqual(await all(store.intents()), [])
      assert.equal(await store.snapshot(users), undefined)
      assert.equal(await store.batch(users, 1, hashOf(1)), undefined)
      assert.equal(store.placePage(3, 200), undefined)
      assert.equal(store.accountPage(3, 200), undefined)
      assert.equal(await store.vote('x'), undefined)
      assert.equal(await store.meta('mesh'), undefined)
      const pages = await store.placePages(63)
      assert.equal(pages.length, 256)
      assert.ok(pages.every((page) => page === undefined))
    })

    it('keeps every kind of record byte by byte, over a crash', async () => {
      let store = await setup.open()
      await store.commit([
        { op: 'membership', hash: hashOf(1), bytes: bytes('entry') },
        batchOp(users, 1),
        { op: 'head', stream: users, bytes: bytes('head') },
        { op: 'snapshot', stream: users, bytes: bytes('snapshot') },
        { op: 'place-page', shard: 63, page: 255, bytes: bytes('place') },
        { op: 'account-page', shard: 0, bucket: 255, bytes: bytes('account') },
        { op: 'conflict', address: 'é/!~a@b.c', present: true },
        { op: 'promise', address: 'é/!~a@b.c', bytes: bytes('promise') },
        { op: 'intent', name: 'a@b.c 00', bytes: bytes('intent') },
        { op: 'vote', subject: 'account', bytes: bytes('vote') },
        { op: 'meta', name: 'mesh', bytes: Uint8Array.of(0, 255, 128) },
      ])
      store = await setup.crash(store)
      assert.deepEqual(
        (await all(store.membership())).map((item) => Buffer.from(item).toString()),
        ['entry'],
      )
      const heads = await all(store.heads())
      assert.equal(heads.length, 1)
      assert.deepEqual(heads[0]?.stream, users)
      same(heads[0]?.bytes, 'head')
      same(await store.snapshot(users), 'snapshot')
      same(store.placePage(63, 255), 'place')
      same((await store.placePages(63))[255], 'place')
      same(store.accountPage(0, 255), 'account')
      same((await store.accountPages(0))[255], 'account')
      assert.deepEqual(await all(store.conflicts()), ['é/!~a@b.c'])
      const [promise] = await all(store.promises())
      assert.equal(promise?.address, 'é/!~a@b.c')
      same(promise?.bytes, 'promise')
      const [intent] = await all(store.intents())
      assert.equal(intent?.name, 'a@b.c 00')
      same(await store.vote('account'), 'vote')
      assert.deepEqual(Uint8Array.from((await store.meta('mesh')) ?? []), Uint8Array.of(0, 255, 128))
    })

    it('removes what is set to null', async () => {
      const store = await setup.open()
      const put = (value: Uint8Array | null): LedgerOp[] => [
        { op: 'head', stream: users, bytes: value },
        { op: 'snapshot', stream: users, bytes: value },
        { op: 'place-page', shard: 1, page: 2, bytes: value },
        { op: 'account-page', shard: 1, bucket: 2, bytes: value },
        { op: 'conflict', address: 'a@b.c', present: value !== null },
        { op: 'promise', address: 'a@b.c', bytes: value },
        { op: 'intent', name: 'a@b.c', bytes: value },
        { op: 'vote', subject: 'a', bytes: value },
        { op: 'meta', name: 'a', bytes: value },
      ]
      await store.commit(put(bytes('x')))
      await store.commit(put(null))
      assert.deepEqual(await all(store.heads()), [])
      assert.equal(await store.snapshot(users), undefined)
      assert.equal(store.placePage(1, 2), undefined)
      assert.equal(store.accountPage(1, 2), undefined)
      assert.deepEqual(await all(store.conflicts()), [])
      assert.deepEqual(await all(store.promises()), [])
      assert.deepEqual(await all(store.intents()), [])
      assert.equal(await store.vote('a'), undefined)
      assert.equal(await store.meta('a'), undefined)
    })

    it('gives the batches of one stream in the order of their numbers, those of one number by hash', async () => {
      const store = await setup.open()
      const numbers = [1, 2, 9, 10, 11, 99, 100, 4_294_967_296, 9_007_199_254_740_991]
      await store.commit([...numbers].reverse().map((seq) => batchOp(users, seq)))
      await store.commit([batchOp(users, 10, hashOf(77)), batchOp(shared, 5), batchOp(other, 6)])
      assert.deepEqual(await seqs(store, users), [1, 2, 9, 10, 10, 11, 99, 100, 4_294_967_296, 9_007_199_254_740_991])
      assert.deepEqual(await seqs(store, users, 10), [11, 99, 100, 4_294_967_296, 9_007_199_254_740_991])
      assert.deepEqual(await seqs(store, shared), [5])
      assert.deepEqual(await seqs(store, other), [6])
      const [, , , first, second] = await all(store.batches(users, 0))
      assert.deepEqual([first?.hash, second?.hash], [hashOf(10), hashOf(77)])
      same(await store.batch(users, 10, hashOf(77)), `12D3KooWAlpha users/07 10 ${hashOf(77)}`)
      assert.equal(await store.batch(users, 10, hashOf(78)), undefined)
    })

    it('drops a range of batches, and what follows in the same commit stays', async () => {
      const store = await setup.open()
      await store.commit([1, 2, 3, 4, 5].map((seq) => batchOp(users, seq)))
      await store.commit([batchOp(other, 2), batchOp(shared, 2)])
      await store.commit([{ op: 'drop-batches', stream: users, above: 1, upTo: 4 }, batchOp(users, 3)])
      assert.deepEqual(await seqs(store, users), [1, 3, 5])
      assert.deepEqual(await seqs(store, other), [2])
      assert.deepEqual(await seqs(store, shared), [2])
    })

    it('loses nothing that was acknowledged, and never half a commit', async () => {
      let store = await setup.open()
      await store.commit([batchOp(users, 1), { op: 'head', stream: users, bytes: bytes('1') }])
      // Not waited for: it may be there or not, but wholly.
      void store.commit([batchOp(users, 2), { op: 'head', stream: users, bytes: bytes('2') }]).catch(() => {})
      store = await setup.crash(store)
      const found = await seqs(store, users)
      const [head] = await all(store.heads())
      assert.ok(found.includes(1))
      same(head?.bytes, String(found.length))
    })

    it('keeps many commits made at once, in the order of the calls', async () => {
      const store = await setup.open()
      const writes: Promise<void>[] = []
      for (let i = 0; i < 200; i++) {
        writes.push(store.commit([{ op: 'meta', name: 'counter', bytes: bytes(String(i)) }, batchOp(users, i + 1)]))
      }
      await Promise.all(writes)
      same(await store.meta('counter'), '199')
      assert.equal((await seqs(store, users)).length, 200)
    })
  })
}
