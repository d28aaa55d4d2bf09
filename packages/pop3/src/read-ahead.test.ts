import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pop3Limits } from './limits.ts'
import { ReadAhead, ReadAheadBudget } from './read-ahead.ts'

function maildrop(sizes: readonly number[], budget = new ReadAheadBudget(1_000_000), failing = new Set<number>()) {
  const reads: number[] = []
  const source = {
    sizeOf: (number: number) => sizes[number - 1],
    read: async (number: number) => {
      reads.push(number)
      if (failing.has(number)) throw new Error(`damaged ${number}`)
      return Buffer.from(`message ${number}`)
    },
  }
  return { reads, budget, ahead: new ReadAhead(source, budget, { ...pop3Limits, readAheadMessagesMax: 3 }) }
}

test('whoever goes on in order finds the next ones read, each once', async () => {
  const { reads, ahead, budget } = maildrop([10, 10, 10, 10, 10, 10])
  for (let number = 1; number <= 6; number++) assert.equal(String(await ahead.take(number)), `message ${number}`)
  assert.deepEqual(reads, [1, 2, 3, 4, 5, 6])
  assert.equal(budget.left, 1_000_000)
})

test('what was read already is given without a promise', async () => {
  const { ahead } = maildrop([10, 10])
  await ahead.take(1)
  assert.ok(ahead.take(2) instanceof Uint8Array)
})

test('jumping about reads nothing ahead, and lets go of what was', async () => {
  const { reads, ahead, budget } = maildrop([10, 10, 10, 10, 10, 10])
  await ahead.take(1)
  await ahead.take(6)
  assert.equal(budget.left, 1_000_000)
  await ahead.take(3)
  assert.deepEqual(reads, [1, 2, 3, 4, 6, 3])
})

test('large messages are not read ahead, nor any beyond the budget, which is given back', async () => {
  const large = maildrop([10, pop3Limits.readAheadMessageBytesMax + 1, 10])
  await large.ahead.take(1)
  assert.deepEqual(large.reads, [1])
  const poor = maildrop([10, 10, 10, 10], new ReadAheadBudget(15))
  await poor.ahead.take(1)
  assert.deepEqual(poor.reads, [1, 2])
  poor.ahead.clear()
  assert.equal(poor.budget.left, 15)
})

test('one that can not be read is told to whoever asks for it, and to nobody else', async () => {
  const { ahead } = maildrop([10, 10, 10], undefined, new Set([2]))
  await ahead.take(1)
  await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(async () => ahead.take(2), /damaged 2/)
  assert.equal(String(await ahead.take(3)), 'message 3')
})
