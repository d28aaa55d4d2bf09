import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineEnds } from './line-ends.ts'

const text = fc.array(fc.constantFrom('\r', '\n', '\r\n', 'a', '.', '\0'), { maxLength: 20 }).map((all) => all.join(''))

function run(mode: 'refuse' | 'normalise' | 'keep', bytes: string, cuts: readonly number[]) {
  const reader = new LineEnds(mode)
  const pieces: Buffer[] = []
  const buffer = Buffer.from(bytes, 'latin1')
  let at = 0
  for (const cut of [...cuts.map((it) => it % (buffer.length + 1)), buffer.length].toSorted((a, b) => a - b)) {
    reader.read(buffer.subarray(at, cut), pieces)
    at = cut
  }
  reader.end(pieces)
  return { text: Buffer.concat(pieces).toString('latin1'), fault: reader.fault }
}

test('in any chunking: bare line ends are refused, made into CR LF, or kept, as asked', () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
      const isBare = /\r(?!\n)|(?<!\r)\n/.test(bytes)
      assert.deepEqual(run('keep', bytes, cuts), { text: bytes, fault: null })
      assert.deepEqual(run('refuse', bytes, cuts), { text: bytes, fault: isBare ? 'bare-line-end' : null })
      const whole = bytes.replace(/\r\n|\r|\n/g, '\r\n')
      assert.deepEqual(run('normalise', bytes, cuts), { text: whole, fault: null })
    }),
    { numRuns: 1000 },
  )
})
