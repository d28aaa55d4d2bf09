import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ledgerLimits } from '../limits.ts'
import { decodeLogRequest } from './messages.ts'
import type { LogRequest } from './messages.ts'
import { newsOf, Outbox } from './outbox.ts'

type Push = LogRequest & { kind: 'push' }

/** An outbox whose requests end when the test says so. */
function held(settings = {}) {
  const sent: Push[] = []
  const ends: { resolve(): void; reject(error: Error): void }[] = []
  const outbox = new Outbox(
    (payload) => {
      sent.push(decodeLogRequest(payload) as Push)
      return new Promise((resolve, reject) => ends.push({ resolve, reject }))
    },
    { ...ledgerLimits, ...settings },
  )
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  return { outbox, sent, ends, turn }
}

const batch = (size = 10) => newsOf('batches', [new Uint8Array(size)], null)

test('what gathers while a request is under way goes along with the next', async () => {
  const { outbox, sent, ends, turn } = held()
  outbox.put(batch())
  await turn()
  for (let i = 0; i < 5; i++) outbox.put(batch())
  outbox.put(newsOf('membership', [new Uint8Array(3)], null))
  await turn()
  assert.equal(sent.length, 1)
  ends[0]?.resolve()
  await turn()
  assert.equal(sent.length, 2)
  assert.deepEqual([sent[1]?.batches.length, sent[1]?.membership.length, sent[1]?.compare], [5, 1, false])
})

test('news of different reach, and more than one request holds, go one after the other', async () => {
  const { outbox, sent, ends, turn } = held({ replyBytesMax: 100 })
  outbox.put(batch(60))
  outbox.put(batch(60))
  outbox.put(newsOf('batches', [new Uint8Array(1)], ['00'.repeat(8)]))
  for (let i = 0; i < 3; i++) {
    await turn()
    ends[i]?.resolve()
  }
  await turn()
  assert.deepEqual(
    sent.map(({ batches, reach }) => [batches.length, reach?.length]),
    [
      [1, undefined],
      [1, undefined],
      [1, 1],
    ],
  )
})

test('a peer that is too slow is told to compare, and nothing waits without a bound', async () => {
  const { outbox, sent, ends, turn } = held({ outboxBytesMax: 100 })
  outbox.put(batch())
  await turn()
  for (let i = 0; i < 50; i++) outbox.put(batch(30))
  ends[0]?.resolve()
  await turn()
  assert.equal(sent.length, 2)
  assert.equal(sent[1]?.compare, true)
  assert.ok((sent[1]?.batches.length ?? 0) <= 3)
})

test('after a failure what waited is dropped, and the next news goes out again', async () => {
  const { outbox, sent, ends, turn } = held()
  outbox.put(batch())
  await turn()
  outbox.put(batch())
  ends[0]?.reject(new Error('gone'))
  await turn()
  assert.equal(sent.length, 1)
  outbox.nudge()
  await turn()
  assert.deepEqual([sent.length, sent[1]?.compare, sent[1]?.batches.length], [2, true, 0])
})
