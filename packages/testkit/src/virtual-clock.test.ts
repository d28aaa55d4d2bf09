import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '@skein/runtime'
import { VirtualClock } from './virtual-clock.ts'

test('timers fire in order of time, then in order of setting, and see the time they were due', async () => {
  const clock = new VirtualClock(1000)
  const seen: string[] = []
  clock.setTimer(20, () => seen.push(`c@${clock.nowMs()}`))
  clock.setTimer(10, () => seen.push(`a@${clock.nowMs()}`))
  clock.setTimer(10, () => seen.push(`b@${clock.nowMs()}`))
  clock.setTimer(15, () => seen.push('never')).cancel()
  await clock.advance(19)
  assert.deepEqual(seen, ['a@1010', 'b@1010'])
  assert.equal(clock.nowMs(), 1019)
  assert.equal(clock.pending, 1)
  await clock.advance(1)
  assert.deepEqual(seen, ['a@1010', 'b@1010', 'c@1020'])
  assert.equal(clock.monotonicMs(), 20)
})

test('promise chains run to their end between two timers', async () => {
  const clock = new VirtualClock()
  const seen: string[] = []
  const chain = async () => {
    await sleep(clock, 5)
    for (let i = 0; i < 100; i++) await Promise.resolve()
    seen.push('chain')
  }
  void chain()
  clock.setTimer(6, () => seen.push('timer'))
  await clock.advance(10)
  assert.deepEqual(seen, ['chain', 'timer'])
})

test('runUntil gives the outcome of a promise that needs time, and names one that never settles', async () => {
  const clock = new VirtualClock()
  assert.equal(await clock.runUntil(sleep(clock, 60_000).then(() => 7)), 7)
  await assert.rejects(clock.runUntil(Promise.reject(new Error('no'))), /no/)
  await assert.rejects(clock.runUntil(new Promise(() => {})), /not settled/)
})

test('a cancelled timer that had fired does not disturb others', async () => {
  const clock = new VirtualClock()
  const first = clock.setTimer(1, () => {})
  await clock.advance(1)
  first.cancel()
  let fired = false
  clock.setTimer(1, () => (fired = true))
  await clock.advance(1)
  assert.equal(fired, true)
  assert.equal(clock.pending, 0)
})
