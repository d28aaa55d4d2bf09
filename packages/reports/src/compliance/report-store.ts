// What every filling of ReportStore does. Run from storage (level) and testkit (memory).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CollectedDay, ReceivedReport, ReportStore } from '../ports.ts'

export function reportStoreCompliance(
  name: string,
  setup: () => Promise<{ store: ReportStore; reopen(): Promise<ReportStore> }>,
): void {
  const tls = (day: string, domain: string, successes = 1): CollectedDay => ({
    kind: 'tls',
    day,
    domain,
    policies: [{ policy: { type: 'no-policy-found', strings: [], mxPatterns: [] }, successes, failures: [] }],
  })
  const dmarc = (day: string, domain: string): CollectedDay => ({
    kind: 'dmarc',
    day,
    domain,
    record: 'v=DMARC1; p=none',
    rows: [],
  })
  const received = (id: string, receivedMs: number): ReceivedReport => ({
    kind: 'abuse',
    organisation: 'example.org',
    reportId: '',
    domain: 'test.com',
    beginMs: 0,
    endMs: 0,
    feedbackType: 'abuse',
    sourceIp: '192.0.2.1',
    originalFrom: 'aaa@test.com',
    originalTo: [],
    originalMessageId: 'x@y',
    subject: 'Ü',
    id,
    receivedMs,
    vouchedBy: ['example.org'],
  })
  const all = async <Value>(values: AsyncIterable<Value>) => {
    const list: Value[] = []
    for await (const value of values) list.push(value)
    return list
  }

  test(`${name}: days are kept by kind, day and domain, replaced and removed`, async () => {
    const { store, reopen } = await setup()
    await store.putDays([
      tls('2026-11-29', 'a.example'),
      tls('2026-11-30', 'a.example'),
      dmarc('2026-11-29', 'a.example'),
    ])
    await store.putDays([tls('2026-11-30', 'a.example', 7), tls('2026-11-30', 'b.example')])
    assert.deepEqual(
      await store.getDay({ kind: 'tls', day: '2026-11-30', domain: 'a.example' }),
      tls('2026-11-30', 'a.example', 7),
    )
    assert.equal(await store.getDay({ kind: 'dmarc', day: '2026-11-30', domain: 'a.example' }), undefined)
    assert.equal((await all(store.days())).length, 4)
    await store.removeDays([{ kind: 'tls', day: '2026-11-30', domain: 'a.example' }])
    const again = await reopen()
    const names = (await all(again.days())).map(({ kind, day, domain }) => `${kind} ${day} ${domain}`).sort()
    assert.deepEqual(names, ['dmarc 2026-11-29 a.example', 'tls 2026-11-29 a.example', 'tls 2026-11-30 b.example'])
  })

  test(`${name}: received reports come newest first, and outlive a restart`, async () => {
    const { store, reopen } = await setup()
    await store.putReceived(received('01A', 1_000))
    await store.putReceived(received('01C', 3_000))
    await store.putReceived(received('01B', 2_000))
    await store.putReceived(received('01B.1', 2_000))
    const again = await reopen()
    assert.deepEqual(
      (await all(again.received())).map(({ id }) => id),
      ['01C', '01B.1', '01B', '01A'],
    )
    assert.deepEqual(await again.getReceived('01B'), received('01B', 2_000))
    assert.equal(await again.getReceived('none'), undefined)
    await again.removeReceived(['01A', '01C'])
    assert.deepEqual(
      (await all(again.received())).map(({ id }) => id),
      ['01B.1', '01B'],
    )
  })
}
