import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { baseSubject } from './base-subject.ts'

const table: readonly [string, string, boolean][] = [
  ['Hello', 'Hello', false],
  ['Re: Hello', 'Hello', true],
  ['RE:re:  Hello', 'Hello', true],
  ['Fw: Hello', 'Hello', true],
  ['FWD : Hello', 'Hello', true],
  ['Re[2]: Hello', 'Hello', true],
  ['re [3] : Hello', 'Hello', true],
  ['[list] Re: Hello', 'Hello', true],
  ['[a] [b] Hello', 'Hello', false],
  ['[a][b] Fwd: [c] Re: Hello', 'Hello', true],
  ['[list]', '[list]', false],
  ['[a] [b]', '[b]', false],
  ['Re: [list]', '[list]', true],
  ['Hello (fwd)', 'Hello', true],
  ['Hello (FWD) (fwd) ', 'Hello', true],
  ['[Fwd: Hello]', 'Hello', true],
  ['[fwd: Re: [x] Hello (fwd)]', 'Hello', true],
  ['[fwd: [fwd: Hello]]', 'Hello', true],
  ['Re: [Fwd: Re: Hello]', 'Hello', true],
  ['Reference', 'Reference', false],
  ['re', 're', false],
  ['Re:', '', true],
  ['', '', false],
  ['  \t a\r\n\t b  ', 'a b', false],
  ['Re: 你好', '你好', true],
  ['ſre: İ Re', 'ſre: İ Re', false],
  ['[open Hello', '[open Hello', false],
  ['(fwd)', '', true],
  ['[fwd:]', '', true],
]

for (const [subject, base, reply] of table) {
  test(`base subject of ${JSON.stringify(subject)}`, () => assert.deepEqual(baseSubject(subject), { base, reply }))
}

test('what is a base subject stays one, and Re: before it changes nothing', () => {
  const piece = fc.constantFrom(
    're:',
    'Re [x]:',
    'fwd:',
    '[blob]',
    '[',
    ']',
    ' ',
    '(fwd)',
    'word',
    '[fwd: ',
    '\t',
    '你',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const subject = pieces.join('')
      const { base } = baseSubject(subject)
      assert.equal(baseSubject(base).base, base)
      assert.equal(baseSubject(base).reply, false)
      assert.equal(baseSubject(`Re: ${subject}`).base, base)
      assert.ok(subject.replaceAll(/\s+/g, ' ').includes(base))
    }),
  )
})

test('hostile subjects take linear time', () => {
  const started = performance.now()
  for (const piece of ['[a]', 're:', '[fwd: ', '(fwd)', '[', 're [', ' ', '[a] re']) {
    baseSubject(piece.repeat(50_000))
    baseSubject(`${piece.repeat(50_000)}]`.repeat(2))
  }
  baseSubject('[fwd: '.repeat(30_000) + 'x' + ']'.repeat(30_000))
  assert.ok(performance.now() - started < 2_000)
})
