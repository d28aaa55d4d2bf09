import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from '@skein/testkit'
import { retryPauseMs, retryPausesMs } from './retry-schedule.ts'

test('pauses follow the table within a fifth, and the last one repeats', () => {
  const random = createSeededRandom(1)
  for (const table of ['outside', 'peer', 'mailbox'] as const) {
    const pauses = retryPausesMs[table]
    for (let failures = 1; failures < 12; failures++) {
      const expected = pauses[Math.min(failures, pauses.length) - 1] as number
      for (let i = 0; i < 50; i++) {
        const pause = retryPauseMs(table, failures, random)
        assert.ok(pause >= 0.8 * expected - 1 && pause <= 1.2 * expected + 1, `${table} ${failures}: ${pause}`)
      }
    }
  }
  const minutes = retryPausesMs.outside.map((ms) => ms / 60_000)
  assert.deepEqual(minutes, [1, 5, 15, 30, 60, 120, 240])
})
