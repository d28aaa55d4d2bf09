// What every JudgementStore must do.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JudgementChanges, JudgementStore, StoredRecord } from '../judgement/ports.ts'
import type { JudgementKind } from '../judgement/record.ts'

export interface JudgementStoreSetup {
  open(): Promise<JudgementStore>
  /** The same store after its process has ended in an orderly way. */
  reopen(store: JudgementStore): Promise<JudgementStore>
}

const nowMs = Date.UTC(2026, 0, 1)

function stored(author: string, kind: JudgementKind, key: string, seq: number, note = ''): StoredRecord {
  return { author, record: { kind, key, seq, untilMs: nowMs + 60_000, values: [seq, 0.5], note } }
}

function changes(given: Partial<JudgementChanges>): JudgementChanges {
  return { put: [], remove: [], heard: new Map(), forget: [], ...given }
}

function sorted(records: StoredRecord[]): StoredRecord[] {
  return records.sort((a, b) => (`${a.author} ${a.record.key}` < `${b.author} ${b.record.key}` ? -1 : 1))
}

export function judgementStoreCompliance(name: string, setup: JudgementStoreSetup): void {
  describe(`JudgementStore: ${name}`, () => {
    it('is empty at first', async () => {
      const { records, heard } = await (await setup.open()).load(nowMs)
      assert.deepEqual([records, [...heard]], [[], []])
    })

    it('gives back what was saved, the newest of each, and up to where each author was heard', async () => {
      let store = await setup.open()
      const first = stored('node-a', 'grey', 'k', 1)
      const newer = stored('node-a', 'grey', 'k', 2)
      const odd = stored('node-b', 'ban', '2001:db8:0:1', 7, 'zu viel!\u{1f9a2} 太多')
      await store.save(changes({ put: [first], heard: new Map([['node-a', 1]]) }))
      await store.save(
        changes({
          put: [newer, odd],
          heard: new Map([
            ['node-a', 2],
            ['node-b', 7],
          ]),
        }),
      )
      store = await setup.reopen(store)
      const { records, heard } = await store.load(nowMs)
      assert.deepEqual(sorted(records), [newer, odd])
      assert.deepEqual(
        [...heard].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        [
          ['node-a', 2],
          ['node-b', 7],
        ],
      )
    })

    it('removes one record of one author and leaves those of others', async () => {
      let store = await setup.open()
      const mine = stored('node-a', 'name', '192.0.2', 1)
      const others = stored('node-b', 'name', '192.0.2', 1)
      await store.save(changes({ put: [mine, others] }))
      await store.save(changes({ remove: [{ author: 'node-a', kind: 'name', key: '192.0.2' }] }))
      store = await setup.reopen(store)
      assert.deepEqual((await store.load(nowMs)).records, [others])
    })

    it('forgets an author whole, and keeps one whose id begins alike', async () => {
      let store = await setup.open()
      const kept = stored('node-ab', 'use', 'k', 3)
      const put = [stored('node-a', 'use', 'k', 1), stored('node-a', 'login', 'l', 2), kept]
      await store.save(
        changes({
          put,
          heard: new Map([
            ['node-a', 2],
            ['node-ab', 3],
          ]),
        }),
      )
      await store.save(changes({ forget: ['node-a'] }))
      store = await setup.reopen(store)
      const { records, heard } = await store.load(nowMs)
      assert.deepEqual([records, [...heard]], [[kept], [['node-ab', 3]]])
    })

    it('gives nothing that is over', async () => {
      const store = await setup.open()
      await store.save(changes({ put: [stored('node-a', 'ban', '192.0.2.1', 1)] }))
      assert.deepEqual((await store.load(nowMs + 60_000)).records, [])
    })

    it('takes keys with every character that separates something', async () => {
      let store = await setup.open()
      const keys = ['a!b', '!', 'x\ny', 'x/y', '\u{10ffff}', 'ä', '']
      await store.save(changes({ put: keys.map((key, n) => stored('node-a', 'use', key, n + 1)) }))
      store = await setup.reopen(store)
      const found = (await store.load(nowMs)).records.map(({ record }) => record.key)
      assert.deepEqual(found.sort(), keys.sort())
    })
  })
}
