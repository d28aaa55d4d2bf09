import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  absentNumbers,
  formatNumbers,
  formatRanges,
  parseSequenceSet,
  rangesBelow,
  resolveSet,
} from './sequence-set.ts'
import { SyntaxFault } from './syntax-error.ts'

function resolved(text: string, largest: number): string {
  const set = parseSequenceSet(text)
  assert(set.kind === 'numbers')
  return formatRanges(resolveSet(set.ranges, largest))
}

test('a set is read, put in order and joined', () => {
  assert.equal(resolved('2,4:7,9,12:*', 15), '2,4:7,9,12:15')
  assert.equal(resolved('*:4,5:7', 10), '4:10')
  assert.equal(resolved('5:1', 9), '1:5')
  assert.equal(resolved('1,2,3,5', 9), '1:3,5')
  assert.equal(resolved('559:*', 10), '10:559')
  assert.equal(resolved('*', 0), '')
})

test('$ stands for the saved search', () => assert.deepEqual(parseSequenceSet('$'), { kind: 'saved' }))

test('what is no set is a fault', () => {
  for (const text of ['', '0', '1:', ':1', '1,', ',1', '1::2', 'a', '4294967296', '1 2', '$,1', '-1', '1:2:3']) {
    assert.throws(() => parseSequenceSet(text), SyntaxFault, text)
  }
})

test('numbers that were never given out are left out', () => {
  assert.deepEqual(rangesBelow(parseSequenceSet('1:5,9:20'), 11), [
    { first: 1, last: 5 },
    { first: 9, last: 10 },
  ])
  assert.deepEqual(rangesBelow(undefined, 4), [{ first: 1, last: 3 }])
  assert.deepEqual(rangesBelow(parseSequenceSet('1:*'), 1), [])
})

const ascending = fc.uniqueArray(fc.integer({ min: 1, max: 200 })).map((numbers) => numbers.sort((a, b) => a - b))

test('what is written is read back as the same numbers', () => {
  fc.assert(
    fc.property(ascending, (numbers) => {
      if (numbers.length === 0) return assert.equal(formatNumbers(numbers), '')
      const set = parseSequenceSet(formatNumbers(numbers))
      assert(set.kind === 'numbers')
      const again: number[] = []
      for (const { first, last } of resolveSet(set.ranges, 1000)) for (let n = first; n <= last; n++) again.push(n)
      assert.deepEqual(again, numbers)
      return undefined
    }),
  )
})

test('absent numbers and present ones make up the whole', () => {
  fc.assert(
    fc.property(ascending, (present) => {
      const absent = new Set<number>()
      for (const { first, last } of absentNumbers([{ first: 1, last: 200 }], present)) {
        for (let n = first; n <= last; n++) absent.add(n)
      }
      for (let n = 1; n <= 200; n++) assert.equal(absent.has(n), !present.includes(n))
    }),
  )
})
