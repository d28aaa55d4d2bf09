// What every StsPolicyStore promises. Run by each back end with its own way to open one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StsPolicyRecord, StsPolicyStore } from '../sts-policy-store.ts'

const record = (domain: string, changes: Partial<StsPolicyRecord> = {}): StsPolicyRecord => ({
  domain,
  id: '2026',
  fetchedMs: 1_000_000,
  maxAgeSeconds: 100,
  mode: 'enforce',
  mx: ['mx.there.example', '*.there.example'],
  lines: ['version: STSv1', 'mode: enforce', 'mx: mx.there.example', 'max_age: 100'],
  ...changes,
})

export function stsPolicyStoreCompliance(
  name: string,
  open: () => Promise<{ store: StsPolicyStore; reopen(): Promise<StsPolicyStore>; close(): Promise<void> }>,
): void {
  describe(`${name}: store of MTA-STS policies`, () => {
    test('gives back what was put, also after it was opened anew', async () => {
      const place = await open()
      await place.store.put(record('a.example'))
      await place.store.put(record('b.example', { mode: 'none', mx: [] }))
      for (const open of [async () => place.store, () => place.reopen()]) {
        const store = await open()
        assert.deepEqual(await store.get('a.example'), record('a.example'))
        assert.deepEqual(await store.get('b.example'), record('b.example', { mode: 'none', mx: [] }))
        assert.equal(await store.get('c.example'), undefined)
        assert.equal(await store.get('example'), undefined)
      }
      await place.close()
    })

    test('a new one takes the place of the former', async () => {
      const { store, close } = await open()
      await store.put(record('a.example'))
      await store.put(record('a.example', { id: '2027', mode: 'testing' }))
      assert.deepEqual(await store.get('a.example'), record('a.example', { id: '2027', mode: 'testing' }))
      await close()
    })

    test('those that expired are swept away, the others stay', async () => {
      const { store, close } = await open()
      await store.put(record('old.example'))
      await store.put(record('new.example', { fetchedMs: 1_050_000 }))
      assert.equal(await store.sweep(1_100_000), 1)
      assert.equal(await store.get('old.example'), undefined)
      assert.deepEqual(await store.get('new.example'), record('new.example', { fetchedMs: 1_050_000 }))
      assert.equal(await store.sweep(1_100_000), 0)
      await close()
    })
  })
}
