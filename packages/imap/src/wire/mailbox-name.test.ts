import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Cursor } from './cursor.ts'
import { decodeMailboxName, encodeMailboxName } from './mailbox-name.ts'
import { SyntaxFault } from './syntax-error.ts'

test('the examples of RFC 3501 §5.1.3', () => {
  assert.equal(encodeMailboxName('~peter/mail/台北/日本語'), '~peter/mail/&U,BTFw-/&ZeVnLIqe-')
  assert.equal(decodeMailboxName('~peter/mail/&U,BTFw-/&ZeVnLIqe-'), '~peter/mail/台北/日本語')
  assert.equal(encodeMailboxName('A & B'), 'A &- B')
  assert.equal(encodeMailboxName('垃圾邮件'), '&V4NXPpCuTvY-')
})

test('every name has one form: others are refused', () => {
  // Shifted ASCII, a missing end, two shifts in a row, half a surrogate, padding bits, a control character.
  for (const text of [
    '&AGE-',
    '&U,BTFw',
    '&Jjo-&Jjo-!&',
    '&2AA-',
    '&AOl=-',
    '&AO-',
    '\u007f',
    '&&',
    '日&U,BTFw',
    'é & x',
    '&AOkA6Q&-',
  ]) {
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

/** As a command of a client that has not enabled UTF-8. */
function asRead(bytes: Buffer): string {
  const options = { nestingDepthMax: 10, utf8: false }
  return new Cursor(['', { kind: 'held', bytes, binary: false }, ''], options).mailbox()
}

test('UTF-8 is the name that it spells, `&` aside; bytes that are none are refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const spelled = name.replaceAll(/[\x00-\x1f\x7f]/g, 'x')
      assert.equal(asRead(Buffer.from(spelled.replaceAll('&', '&-'))), spelled)
      assert.equal(asRead(Buffer.from(encodeMailboxName(spelled))), spelled)
      // Both in one name: a client hangs UTF-8 on what it was sent.
      assert.equal(asRead(Buffer.from(`${encodeMailboxName(spelled)}/日本`)), `${spelled}/日本`)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      let name: string | undefined
      try {
        name = asRead(Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof SyntaxFault)
        return
      }
      assert.ok(name.isWellFormed() && isUtf8(bytes))
      assert.equal(decodeMailboxName(encodeMailboxName(name)), name)
    }),
  )
  assert.throws(() => asRead(Buffer.from([0x61, 0xff])), /not well-formed UTF-8/)
})
