import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { decodeMailboxName, encodeMailboxName } from './mailbox-name.ts'
import { SyntaxFault } from './syntax-error.ts'

test('the examples of RFC 3501 §5.1.3', () => {
  assert.equal(encodeMailboxName('~peter/mail/台北/日本語'), '~peter/mail/&U,BTFw-/&ZeVnLIqe-')
  assert.equal(decodeMailboxName('~peter/mail/&U,BTFw-/&ZeVnLIqe-'), '~peter/mail/台北/日本語')
  assert.equal(encodeMailboxName('A & B'), 'A &- B')
  assert.equal(encodeMailboxName('垃圾邮件'), '&V4NXPpCuTvY-')
})

test('every name has one form: others are refused', () => {
  // Shifted ASCII, a missing end, two shifts in a row, half a surrogate, padding bits, 8-bit bytes.
  for (const text of ['&AGE-', '&U,BTFw', '&Jjo-&Jjo-!&', '&2AA-', '&AOl=-', '&AO-', '\u00e9', '&&', '&AOkA6Q&-']) {
    assert.throws(() => decodeMailboxName(text), SyntaxFault, text)
  }
})

test('every name comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const encoded = encodeMailboxName(name)
      assert.match(encoded, /^[ -~]*$/)
      assert.equal(decodeMailboxName(encoded), name)
    }),
  )
})
