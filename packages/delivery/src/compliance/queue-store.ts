// What every QueueStore must do. `open` makes an empty one; `crash` cuts the power and opens what is left on the disk.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { QueueItem, QueueStore } from '../ports.ts'

export interface QueueStoreSetup {
  open(): Promise<QueueStore>
  crash(store: QueueStore): Promise<QueueStore>
}

/** A record with a value in every field; `n` tells records apart and gives ascending ids. */
export function queueItem(n: number): QueueItem {
  return {
    id: `01JD0000000000000000${String(n).padStart(6, '0')}`,
    from: 'a@test.com',
    recipients: [
      {
        index: 0,
        address: 'bücher+tag@test.com',
        original: 'Bücher+tag@test.com',
        state: 'pending',
        attempts: 3,
        nextAttemptMs: 1_700_000_000_000 + n,
        lastResult: {
          atMs: 1,
          kind: 'temporary',
          code: 452,
          status: '4.2.2',
          text: 'full — 满了',
          courier: 'peer',
          hop: '12D3KooW',
        },
        delayNoticeSent: false,
      },
      {
        index: 1,
        address: 'c@test.com',
        original: 'c@test.com',
        state: 'failed',
        attempts: 1,
        nextAttemptMs: 0,
        lastResult: null,
        delayNoticeSent: true,
        noticeOwed: 1,
        options: { notify: ['success', 'delay'], orcpt: 'rfc822;C+40test.com' },
        successOwed: { notice: 1, action: 'relayed' },
        deliverByTold: true,
      },
    ],
    blob: { segment: 2 ** 31, offset: 2 ** 40 + n, length: 10_240 },
    size: 10_240,
    messageId: `${n}@test.com`,
    receivedMs: 1_700_000_000_000,
    source: { kind: 'submission', remoteAddress: '::1', node: '12D3KooW', accountId: 'aa'.repeat(16) },
    smtpUtf8: true,
    eightBit: false,
    options: {
      binary: true,
      ret: 'hdrs',
      envid: 'QQ314159',
      requireTls: true,
      deliverBy: { atMs: 1_700_000_100_000, mode: 'notify', trace: true },
      priority: -3,
      holdUntilMs: 1_700_000_050_000,
      solicit: 'org.example:ADV:ADLT',
    },
    expansionsOwed: [{ original: 'list@test.com', orcpt: 'rfc822;list@test.com' }],
  }
}

async function all(store: QueueStore): Promise<QueueItem[]> {
  const items: QueueItem[] = []
  for await (const item of store.list()) items.push(item)
  return items
}

export function queueStoreCompliance(name: string, setup: QueueStoreSetup): void {
  describe(`QueueStore: ${name}`, () => {
    it('gives back what was put, every field', async () => {
      const store = await setup.open()
      await store.put(queueItem(1))
      assert.deepEqual(await store.get(queueItem(1).id), queueItem(1))
      assert.equal(await store.get(queueItem(2).id), undefined)
    })

    it('keeps a record as it was at the time of the call', async () => {
      const store = await setup.open()
      const item = queueItem(1)
      const put = store.put(item)
      item.messageId = 'changed'
      await put
      assert.equal((await store.get(item.id))?.messageId, '1@test.com')
    })

    it('lists in ascending id, whatever the order of the puts', async () => {
      const store = await setup.open()
      await Promise.all([5, 1, 4, 2, 3].map((n) => store.put(queueItem(n))))
      assert.deepEqual(
        (await all(store)).map((item) => item.messageId),
        ['1@test.com', '2@test.com', '3@test.com', '4@test.com', '5@test.com'],
      )
    })

    it('lets the last of several puts of one letter win', async () => {
      const store = await setup.open()
      await Promise.all([1, 2, 3].map((size) => store.put({ ...queueItem(1), size })))
      assert.equal((await store.get(queueItem(1).id))?.size, 3)
    })

    it('has every acknowledged put after a crash', async () => {
      let store = await setup.open()
      await Promise.all(Array.from({ length: 50 }, (_, n) => store.put(queueItem(n))))
      store = await setup.crash(store)
      assert.equal((await all(store)).length, 50)
      assert.deepEqual(await store.get(queueItem(7).id), queueItem(7))
    })

    it('has a record whole or not at all when the power goes before the acknowledgement', async () => {
      let store = await setup.open()
      await store.put(queueItem(1))
      void store.put({ ...queueItem(1), size: 77 }).catch(() => {})
      void store.put(queueItem(2)).catch(() => {})
      store = await setup.crash(store)
      const [first, second] = await all(store)
      assert.ok(first && (first.size === 77 || first.size === queueItem(1).size))
      if (second) assert.deepEqual(second, queueItem(2))
    })

    it('forgets a letter that was removed durably', async () => {
      let store = await setup.open()
      await store.put(queueItem(1))
      await store.put(queueItem(2))
      await store.remove(queueItem(1).id, true)
      store = await setup.crash(store)
      assert.deepEqual(
        (await all(store)).map((item) => item.id),
        [queueItem(2).id],
      )
    })

    it('forgets a removed letter once something later is durable', async () => {
      let store = await setup.open()
      await store.put(queueItem(1))
      await store.remove(queueItem(1).id)
      await store.put(queueItem(2))
      store = await setup.crash(store)
      assert.deepEqual(
        (await all(store)).map((item) => item.id),
        [queueItem(2).id],
      )
      await store.remove('01JD0000000000000000999999')
    })
  })
}
