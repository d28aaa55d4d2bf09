import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AnswerWatch } from './answer-watch.ts'
import { compressionStartedText } from './compression-started.ts'

const cases: readonly (readonly [string, boolean])[] = [
  ['', true],
  ['* OK ready\r\n', true],
  ['* OK rea', false],
  ['* 1 FETCH (BODY[] {5}\r\n', false],
  ['* 1 FETCH (BODY[] {5}\r\nab\r\n', false],
  ['* 1 FETCH (BODY[] {5}\r\nab\r\nc', false],
  ['* 1 FETCH (BODY[] {5}\r\nab\r\nc)\r\n', true],
  ['* 1 FETCH (BINARY[1] ~{2}\r\n\n\n)\r\n', true],
  ['* 1 FETCH (BODY[] {0}\r\n', false],
  ['* 1 FETCH (BODY[] {0}\r\n)\r\n', true],
  ['* 1 FETCH (A {3}\r\n}\r\n B {2}\r\n\r\n', false],
  ['* 1 FETCH (A {3}\r\n}\r\n B {2}\r\n\r\n)\r\n', true],
  ['* 1 FETCH (ENVELOPE ("{5}"))\r\n', true],
  ['+ idling\r\n', true],
  [`a1 OK ${compressionStartedText}\r\n`, false],
  [`* 1 FETCH (X {20}\r\na1 OK ${compressionStartedText})\r\n`, true],
  [`* OK ${compressionStartedText}\r\n`, true],
]

test('a line may be said between lines only, whatever the chunks', () => {
  for (const [text, expected] of cases) {
    const bytes = Buffer.from(text, 'latin1')
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }), (sizes) => {
        const watch = new AnswerWatch()
        let at = 0
        for (const size of [...sizes, bytes.length]) {
          watch.push(bytes.subarray(at, at + size))
          at += size
        }
        assert.equal(watch.betweenLines, expected, JSON.stringify(text))
      }),
      { numRuns: 50 },
    )
  }
})

test('no bytes make it fail, and no chunking makes it differ', () => {
  const byte = fc.constantFrom(...Buffer.from('a*+ {}0129\r\n'))
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 200 }), fc.integer({ min: 1, max: 9 }), (list, size) => {
      const bytes = Buffer.from(list)
      const whole = new AnswerWatch()
      whole.push(bytes)
      const pieces = new AnswerWatch()
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
      assert.equal(pieces.betweenLines, whole.betweenLines)
    }),
  )
})
