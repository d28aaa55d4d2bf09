import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './simulation.ts'

test('one seed gives one history, event for event; another seed another', async () => {
  const run = async (seed: number) => {
    const lines: string[] = []
    const outcome = await simulate({ seed, seconds: 6, print: (line) => lines.push(line) })
    return { lines, outcome }
  }
  const first = await run(5)
  // Other work in between must not matter.
  const other = await run(6)
  const second = await run(5)
  const split = first.lines.findIndex((line, at) => line !== second.lines[at])
  assert.equal(split, -1, `the runs part at event ${split}: ${first.lines[split]} / ${second.lines[split]}`)
  assert.equal(first.outcome.hash, second.outcome.hash)
  assert.notEqual(first.outcome.hash, other.outcome.hash)
  assert.ok(first.outcome.events > 1000)
})
