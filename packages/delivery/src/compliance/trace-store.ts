// What every TraceStore must do.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TraceEvent, TraceStore } from '../ports.ts'

export interface TraceStoreSetup {
  open(): Promise<TraceStore>
  /** Makes what was added so far findable; real stores write it along with the next durable batch. */
  flush(store: TraceStore): Promise<void>
}

const first = '01JD0000000000000000000001'
const second = '01JD0000000000000000000002'

function event(queueId: string, atMs: number, more: Partial<TraceEvent> = {}): TraceEvent {
  return { atMs, node: 'n1', queueId, messageId: 'm1@test.com', what: 'accepted', recipient: '', detail: '', ...more }
}

export function traceStoreCompliance(name: string, setup: TraceStoreSetup): void {
  describe(`TraceStore: ${name}`, () => {
    it('finds by queue id and by Message-ID, with and without brackets, in order of time', async () => {
      const store = await setup.open()
      store.add([event(first, 10), event(first, 30, { what: 'delivered', recipient: 'b@test.com', detail: 'a — 信' })])
      store.add([event(second, 20)])
      store.add([event(first, 40, { messageId: 'other@test.com' })])
      await setup.flush(store)
      assert.deepEqual(
        (await store.find('<m1@test.com>')).filter((it) => it.messageId === 'm1@test.com').map((it) => it.atMs),
        [10, 20, 30],
      )
      assert.deepEqual(
        (await store.find(first)).map((it) => it.atMs),
        [10, 30, 40],
      )
      const [, delivered] = await store.find(first)
      assert.deepEqual(delivered, event(first, 30, { what: 'delivered', recipient: 'b@test.com', detail: 'a — 信' }))
    })

    it('keeps the order in which events of one moment were added', async () => {
      const store = await setup.open()
      for (const what of ['accepted', 'routed', 'deferred']) store.add([event(first, 5, { what })])
      store.add(['retried', 'delivered'].map((what) => event(first, 5, { what })))
      await setup.flush(store)
      assert.deepEqual(
        (await store.find(first)).map((it) => it.what),
        ['accepted', 'routed', 'deferred', 'retried', 'delivered'],
      )
    })

    it('finds nothing for an unknown, an empty or an odd key', async () => {
      const store = await setup.open()
      store.add([event(first, 1, { messageId: '' })])
      await setup.flush(store)
      for (const key of ['', '<>', 'nobody@test.com', '!', '\u{10FFFF}', 't!e!']) {
        assert.deepEqual(await store.find(key), [])
      }
    })

    it('survives being given nothing', async () => {
      const store = await setup.open()
      store.add([])
      await setup.flush(store)
      assert.deepEqual(await store.find(first), [])
    })
  })
}
