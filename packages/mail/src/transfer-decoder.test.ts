import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createTransferDecoder } from './transfer-decoder.ts'
import { decodeTransfer, encodeBase64Lines, encodeQuotedPrintable } from './transfer-encoding.ts'

function decode(encoding: string, bytes: Uint8Array, sizes: readonly number[]): Buffer {
  const decoder = createTransferDecoder(encoding)
  assert(decoder !== undefined)
  const out: Uint8Array[] = []
  let at = 0
  for (const size of [...sizes, bytes.length]) {
    out.push(decoder.push(bytes.subarray(at, at + size)))
    at += size
  }
  out.push(decoder.end())
  return Buffer.concat(out)
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 })

test('base64 comes back, in any pieces', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), sizes, (bytes, pieces) => {
      const coded = Buffer.from(encodeBase64Lines(bytes))
      assert.deepEqual(decode('base64', coded, pieces), Buffer.from(bytes))
    }),
  )
})

test('quoted-printable comes back, in any pieces', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), sizes, (text, pieces) => {
      const coded = Buffer.from(encodeQuotedPrintable(text.replaceAll(/[\r\n]/g, '\r\n')))
      assert.deepEqual(
        decode('quoted-printable', coded, pieces),
        Buffer.from(decodeTransfer(coded, 'quoted-printable')),
      )
    }),
  )
})

test('hostile bytes: nothing is thrown, and the pieces make no difference', () => {
  const bytes = fc
    .array(fc.constantFrom('=', 'A', 'Q', ' ', '\t', '\r\n', '\n', '\r', '=41', '==', 'YQ==', '-- \r\nlist', '\0', 'é'))
    .map((parts) => Buffer.from(parts.join('')))
  for (const encoding of ['base64', 'quoted-printable', '8bit']) {
    fc.assert(
      fc.property(bytes, sizes, (raw, pieces) => {
        const whole = decode(encoding, raw, [])
        assert.deepEqual(decode(encoding, raw, pieces), whole)
        if (encoding !== 'base64') assert.deepEqual(whole, Buffer.from(decodeTransfer(raw, encoding)))
      }),
    )
  }
})

test('pieces with padding of their own go on, a footer in plain text does not', () => {
  assert.equal(decode('base64', Buffer.from('YWI=\r\nY2Q=\r\n'), [3]).toString(), 'abcd')
  assert.equal(decode('base64', Buffer.from('YWI=\r\n-- \r\nThe list\r\nabcd'), [7]).toString(), 'ab')
})

test('a long line without an end is not held', () => {
  const decoder = createTransferDecoder('quoted-printable')
  let length = 0
  for (let piece = 0; piece < 40; piece++) length += decoder?.push(Buffer.alloc(10_000, 'a=41')).length ?? 0
  assert.ok(length > 160_000, String(length))
  assert.equal(length + (decoder?.end().length ?? 0), 200_000)
})

test('an encoding that nobody knows', () => assert.equal(createTransferDecoder('x-uuencode'), undefined))
