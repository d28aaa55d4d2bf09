import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { escapeXml } from './xml-text.ts'

test('escaped text holds nothing that ends an element or an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeXml(text)
      assert.doesNotMatch(escaped, /[<>"']|&(?!#\d+;)/)
      assert.ok(escaped.isWellFormed())
    }),
  )
  assert.equal(escapeXml('a\0\u0001\ufffe\ud800b'), 'a\ufffdb')
})
