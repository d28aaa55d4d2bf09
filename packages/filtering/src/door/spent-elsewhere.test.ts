import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JudgementFixture } from '../judgement/judgement-fixture.ts'
import { createSpentElsewhere } from './spent-elsewhere.ts'

const hour = { lengthMs: 3600_000, max: 100 }

test('what a user sends at one node counts at the others, fades, and no single word weighs more than the limit', async () => {
  const mesh = new JudgementFixture(1)
  const [a, b, c] = [
    createSpentElsewhere({ judgement: await mesh.start('a'), clock: mesh.clock }),
    createSpentElsewhere({ judgement: await mesh.start('b'), clock: mesh.clock }),
    createSpentElsewhere({ judgement: await mesh.start('c'), clock: mesh.clock }),
  ]
  await mesh.clock.advance(1_000)
  for (let i = 0; i < 50; i++) a.note('letters an hour', 'u1', 1, hour)
  b.note('letters an hour', 'u1', 1_000, hour)
  await mesh.clock.advance(2_000)
  assert.equal(Math.round(b.amount('letters an hour', 'u1', hour)), 50)
  assert.equal(Math.round(a.amount('letters an hour', 'u1', hour)), 100, 'its own are its own affair')
  assert.equal(Math.round(c.amount('letters an hour', 'u1', hour)), 150)
  assert.equal(c.amount('letters an hour', 'u2', hour), 0)
  assert.equal(c.amount('recipients an hour', 'u1', hour), 0)
  await mesh.clock.advance(3 * 3600_000)
  assert.ok(c.amount('letters an hour', 'u1', hour) < 10)
})
