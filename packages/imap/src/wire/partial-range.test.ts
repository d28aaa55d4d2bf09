import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parsePartialRange, placesOf } from './partial-range.ts'
import { SyntaxFault } from './syntax-error.ts'

test('ranges from both ends, whichever number comes first', () => {
  assert.deepEqual(placesOf(parsePartialRange('1:3'), 10), { start: 0, end: 3 })
  assert.deepEqual(placesOf(parsePartialRange('500:400'), 450), { start: 399, end: 450 })
  assert.deepEqual(placesOf(parsePartialRange('-1:-3'), 10), { start: 7, end: 10 })
  assert.deepEqual(placesOf(parsePartialRange('-3:-1'), 2), { start: 0, end: 2 })
  assert.deepEqual(placesOf(parsePartialRange('-3:-3'), 3), { start: 0, end: 1 })
  assert.deepEqual(placesOf(parsePartialRange('11:20'), 10), { start: 0, end: 0 })
})

test('what is no range is a fault', () => {
  for (const text of ['', '1', '0:1', '1:*', '-1:2', '1:-2', '1:2:3', '4294967296:1', 'a:b', '--1:-2', ' 1:2']) {
    assert.throws(() => parsePartialRange(text), SyntaxFault, text)
  }
})

test('pages from the front and from the back each hold every result once', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (count, size) => {
      for (const sign of ['', '-']) {
        const seen: number[] = []
        for (let first = 1; first <= count; first += size) {
          const { start, end } = placesOf(parsePartialRange(`${sign}${first}:${sign}${first + size - 1}`), count)
          for (let place = start; place < end; place++) seen.push(place)
        }
        assert.deepEqual(
          seen.sort((a, b) => a - b),
          Array.from({ length: count }, (_, place) => place),
        )
      }
    }),
  )
})
