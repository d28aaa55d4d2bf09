import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom } from './seeded-random.ts'

test('one seed gives one sequence, another seed another', () => {
  const draw = (seed: number) => Array.from({ length: 20 }, createSeededRandom(seed).next)
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
})

test('a fork neither changes nor repeats its parent', () => {
  const left = createSeededRandom(1)
  const right = createSeededRandom(1)
  const fork = left.fork('x')
  const forked = Array.from({ length: 5 }, fork.next)
  assert.deepEqual(Array.from({ length: 5 }, left.next), Array.from({ length: 5 }, right.next))
  assert.notDeepEqual(forked, Array.from({ length: 5 }, createSeededRandom(1).next))
})

test('numbers fill their range evenly', () => {
  const random = createSeededRandom(3)
  const counts = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i++) {
    const value = random.integer(10)
    counts[value] = (counts[value] as number) + 1
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts))
  const bytes = random.bytes(10_000)
  assert.ok(new Set(bytes).size > 250)
  assert.deepEqual([...random.shuffle([1, 2, 3, 4])].sort(), [1, 2, 3, 4])
})
