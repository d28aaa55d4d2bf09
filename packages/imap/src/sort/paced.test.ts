import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atOnce, pacedSort } from './paced.ts'

test('sorts as Array.sort does', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 9000 }), fc.integer(), (count, seed) => {
      const keys = Uint32Array.from({ length: count }, (_, at) => Math.imul(at ^ seed, 2654435761) >>> 20)
      const compare = (a: number, b: number) => (keys[a] as number) - (keys[b] as number) || a - b
      const sorted = atOnce(
        pacedSort(
          Uint32Array.from({ length: count }, (_, at) => at),
          compare,
        ),
      )
      assert.deepEqual([...sorted], Array.from({ length: count }, (_, at) => at).sort(compare))
    }),
    { numRuns: 30 },
  )
})

test('100,000 are sorted in short steps', () => {
  const keys = Float64Array.from({ length: 100_000 }, (_, at) => Math.imul(at, 2654435761) >>> 0)
  const work = pacedSort(
    Uint32Array.from(keys, (_, at) => at),
    (a, b) => (keys[a] as number) - (keys[b] as number),
  )
  let longest = 0
  for (let done = false; !done;) {
    const started = performance.now()
    done = work.next().done === true
    longest = Math.max(longest, performance.now() - started)
  }
  assert.ok(longest < 100, `one step took ${longest} ms`)
})
