// What every DeadAddressStore must do. `open` makes an empty one; `crash` cuts the power and opens what is left on the disk.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DeadAddress, DeadAddressStore } from '../ports.ts'

export interface DeadAddressStoreSetup {
  open(): Promise<DeadAddressStore>
  crash(store: DeadAddressStore): Promise<DeadAddressStore>
}

export function deadAddress(address: string, refusedUntilMs = 0): DeadAddress {
  return { address, failures: [{ letter: '01JD', atMs: 1_700_000_000_000, said: '550 5.1.1 没有' }], refusedUntilMs }
}

async function all(store: DeadAddressStore): Promise<DeadAddress[]> {
  const records: DeadAddress[] = []
  for await (const record of store.list()) records.push(record)
  return records.sort((a, b) => (a.address < b.address ? -1 : 1))
}

export function deadAddressStoreCompliance(name: string, setup: DeadAddressStoreSetup): void {
  describe(`DeadAddressStore: ${name}`, () => {
    it('has every acknowledged record after a crash, as it was put last', async () => {
      let store = await setup.open()
      await Promise.all(['a@x.example', '"b!"@x.example', 'ü@x.example'].map((it) => store.put(deadAddress(it))))
      await store.put(deadAddress('a@x.example', 7))
      store = await setup.crash(store)
      assert.deepEqual(await all(store), [
        deadAddress('"b!"@x.example'),
        deadAddress('a@x.example', 7),
        deadAddress('ü@x.example'),
      ])
    })

    it('forgets what was removed, also after a crash, and does not mind what it never had', async () => {
      let store = await setup.open()
      await store.put(deadAddress('a@x.example'))
      await store.put(deadAddress('b@x.example'))
      await store.remove('a@x.example')
      await store.remove('c@x.example')
      store = await setup.crash(store)
      assert.deepEqual(await all(store), [deadAddress('b@x.example')])
    })
  })
}
