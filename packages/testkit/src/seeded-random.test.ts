import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSeededRandom, type SeededRandom } from './seeded-random.ts'

const draw = (random: SeededRandom) => Array.from({ length: 20 }, () => random.next())

test('one seed gives one sequence, another seed another', () => {
  assert.deepEqual(draw(createSeededRandom(7)), draw(createSeededRandom(7)))
  assert.notDeepEqual(draw(createSeededRandom(7)), draw(createSeededRandom(8)))
})

test('a fork neither changes nor repeats its parent', () => {
  const left = createSeededRandom(1)
  const right = createSeededRandom(1)
  const fork = left.fork('x')
  const forked = draw(fork)
  assert.deepEqual(draw(left), draw(right))
  assert.notDeepEqual(forked, draw(createSeededRandom(1)))
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
  assert.deepEqual(new Set(random.shuffle([1, 2, 3, 4])), new Set([1, 2, 3, 4]))
})
