import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DueHeap } from './due-heap.ts'

test('letters come out in order of their last set time, each once', () => {
  const operation = fc.tuple(
    fc.integer({ min: 0, max: 20 }),
    fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const heap = new DueHeap()
      const model = new Map<string, number>()
      for (const [id, atMs] of operations) {
        heap.set(String(id), atMs)
        if (atMs === undefined) model.delete(String(id))
        else model.set(String(id), atMs)
      }
      assert.equal(heap.size, model.size)
      const expected = [...model].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1)).map(([id]) => id)
      assert.equal(heap.firstMs(), expected[0] === undefined ? undefined : model.get(expected[0]))
      assert.equal(heap.take(-1), undefined)
      const taken: string[] = []
      for (let id = heap.take(50); id !== undefined; id = heap.take(50)) taken.push(id)
      assert.deepEqual(taken, expected)
    }),
  )
})
