import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulation.ts'

/** A failure's report says how to have the same run again. */
async function holds(seed: number, settings: { nodes?: number; seconds?: number } = {}): Promise<void> {
  const outcome = await simulate({ seed, ...settings })
  const again = Object.entries(settings).map(([name, value]) => ` --${name} ${value}`)
  const report = [...outcome.failures, ...outcome.trace, `again: npm run sim -- --seed ${seed}${again.join('')}`]
  assert.deepEqual(outcome.failures, [], report.join('\n'))
  assert.ok(outcome.acknowledged > 50, `only ${outcome.acknowledged} letters were acknowledged`)
}

test('24 seeds: no acknowledged letter lost or doubled, UIDs rise, user lists agree, queues drain', async () => {
  for (let seed = 1; seed <= 24; seed++) await holds(seed, { seconds: 5 })
})

test('seven nodes', async () => {
  await holds(101, { nodes: 7, seconds: 5 })
})

test('a longer run', async () => {
  await holds(102, { seconds: 20 })
})
