import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineReader } from './line-reader.ts'

function readAll(chunks: readonly string[], max: number): string[] {
  const reader = new LineReader(max)
  const lines: string[] = []
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk, 'latin1'))
    for (let line = reader.next(); line !== null; line = reader.next()) {
      lines.push(typeof line === 'string' ? `<${line}>` : line.toString('latin1'))
    }
  }
  return lines
}

test('lines end with CR LF or LF; too long ones are told once', () => {
  const long = 'x'.repeat(11)
  assert.deepEqual(readAll([`a\r\nb\n\r\n${long}\r\n${'y'.repeat(10)}\r\nrest`], 10), [
    'a',
    'b',
    '',
    '<too-long>',
    'y'.repeat(10),
  ])
})

test('a line without end takes no memory', () => {
  const reader = new LineReader(100)
  for (let i = 0; i < 1_000; i++) {
    reader.push(Buffer.alloc(60, 97))
    assert.equal(reader.next(), null)
    assert.ok(reader.waiting <= 100)
  }
  reader.push(Buffer.from('\nNOOP\r\n'))
  assert.equal(reader.next(), 'too-long')
  assert.equal(reader.next()?.toString(), 'NOOP')
})

test('property: any chunking gives the same lines', () => {
  const text = fc
    .array(fc.constantFrom('a', '\r', '\n', '\r\n', 'xxxxxx'), { maxLength: 30 })
    .map((parts) => parts.join(''))
  const rule = fc.property(text, fc.array(fc.nat(60), { maxLength: 10 }), (whole, at) => {
    const offsets = [0, ...at.filter((offset) => offset < whole.length).sort((a, b) => a - b), whole.length]
    const chunks = offsets.slice(1).map((end, i) => whole.slice(offsets[i], end))
    // A CR right before the limit's end counts as part of the line until its LF is there: lines at the limit may differ.
    assert.deepEqual(readAll(chunks, 1_000), readAll([whole], 1_000))
  })
  fc.assert(rule, { numRuns: 2_000 })
})
