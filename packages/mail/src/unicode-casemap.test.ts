import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { unicodeCasemap } from './unicode-casemap.ts'

const same: readonly [string, string][] = [
  ['Hello', 'hELLO'],
  ['naïve', 'NAI\u0308VE'],
  ['ǆ', 'Ǆ'],
  ['ａｂｃ', 'ABC'],
  ['Ω', '\u03c9'],
  ['\u1f80', '\u1f88'],
  ['привет', 'ПРИВЕТ'],
  ['ㄅ', 'ㄅ'],
]

for (const [one, other] of same) {
  test(`${one} and ${other} are the same`, () => assert.equal(unicodeCasemap(one), unicodeCasemap(other)))
}

test('sharp s stays what it is: it has no title case of one character', () => {
  assert.notEqual(unicodeCasemap('straße'), unicodeCasemap('strasse'))
})

test('case and composition make no difference', () => {
  const letter = fc.constantFrom(...Array.from('abzÀéñøžǅΆλЖйş你カ゛ｶ1 -'), '\u{10428}', '\u0345')
  fc.assert(
    fc.property(fc.array(letter), (letters) => {
      const text = letters.join('')
      const mapped = unicodeCasemap(text)
      assert.equal(mapped, mapped.normalize('NFKD'))
      assert.equal(unicodeCasemap(text.toLowerCase()), mapped)
      assert.equal(unicodeCasemap(text.normalize('NFD')), unicodeCasemap(text.normalize('NFC')))
    }),
  )
})

test('any text is taken', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void unicodeCasemap(text)))
})
