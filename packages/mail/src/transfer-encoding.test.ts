import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeTransfer, encodeBase64Lines, encodeQuotedPrintable } from './transfer-encoding.ts'

const decoded = (text: string, encoding: string): string =>
  Buffer.from(decodeTransfer(Buffer.from(text), encoding)).toString()

test('base64, also in pieces, with garbage, without padding, with a footer', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['aGVsbG8=', 'hello'],
    ['aGVs\r\nbG8=\r\n', 'hello'],
    ['aGVsbG8', 'hello'],
    ['a G*V!s\tbG8=', 'hello'],
    ['aGVsbG8=\r\nd29ybGQ=\r\n', 'helloworld'],
    ['YQ==Yg==Yw==', 'abc'],
    ['aGVsbG8=\r\n\r\n____\r\nlist footer\r\n', 'hello'],
    ['aGVsbG8=\r\nlist footer\r\n', 'hello'],
    ['====', ''],
    ['a', ''],
  ]
  for (const [text, expected] of cases) assert.equal(decoded(text, 'base64'), expected, text)
})

test('quoted-printable, also broken', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['=E4=BD=A0=e5=a5=bd', '你好'],
    ['a=\r\nb=\nc=  \r\nd', 'abcd'],
    ['blank  \r\ntab\t\nkept=20\r\n', 'blank\r\ntab\nkept \r\n'],
    ['in  side', 'in  side'],
    ['end   ', 'end   '],
    ['=', ''],
    ['=4', '=4'],
    ['=ZZ=4g', '=ZZ=4g'],
    ['a=\rb', 'a=\rb'],
  ]
  for (const [text, expected] of cases) assert.equal(decoded(text, 'quoted-printable'), expected, JSON.stringify(text))
})

test('other encodings leave the bytes alone', () => {
  const bytes = Buffer.from('=41')
  for (const encoding of ['7bit', '8bit', 'binary', 'x-uuencode', ''])
    assert.equal(decodeTransfer(bytes, encoding), bytes)
})

test('what is written has short 7-bit lines', () => {
  const text = '中文 and a long line with = signs and blanks at the end \r\n'.repeat(5)
  const quoted = encodeQuotedPrintable(text)
  assert.ok(quoted.split('\r\n').every((line) => line.length <= 76 && /^[\t -~]*$/.test(line) && !line.endsWith(' ')))
  assert.equal(decoded(quoted, 'quoted-printable'), text)
  const coded = encodeBase64Lines(Buffer.from(text))
  assert.ok(coded.endsWith('\r\n') && coded.split('\r\n').every((line) => line.length <= 76))
  assert.equal(decoded(coded, 'base64'), text)
})
