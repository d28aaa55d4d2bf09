import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeXtext, encodeXtext, isXtext } from './xtext.ts'

test('any text comes back, and travels as xtext', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const coded = encodeXtext(text)
      assert.ok(isXtext(coded))
      assert.equal(decodeXtext(coded), text.toWellFormed())
    }),
  )
})

for (const [text, ok] of [
  ['', true],
  ['QQ314159', true],
  ['Carol+40Ivory.EDU', true],
  ['a+2Bb', true],
  ['a+2bb', false],
  ['a+2', false],
  ['a=b', false],
  ['a b', false],
  ['é', false],
] as const) {
  test(`"${text}" is ${ok ? '' : 'no '}xtext (RFC 3461 §4)`, () => {
    assert.equal(isXtext(text), ok)
    if (!ok) assert.equal(decodeXtext(text), text)
  })
}
