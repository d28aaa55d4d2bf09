import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodedFieldValue, fieldValue, formatField, headerEnd, parseHeaderFields, unfold } from './header.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

test('headerEnd is the offset after the blank line', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['\r\n', 2],
    ['\n', 1],
    ['\r', 1],
    ['A: b\r\n\r\nbody', 8],
    ['A: b\n\nbody', 6],
    ['A: b\r\n', 6],
    ['A: b', 4],
    ['A: b\r\n c\r\n\r\n', 12],
    ['A: b\r\n \r\nC: d\r\n\r\nx', 17],
    ['A: b\r\r\n\r\nx', 9],
  ]
  for (const [text, end] of cases) assert.equal(headerEnd(bytes(text)), end, JSON.stringify(text))
  assert.equal(headerEnd(bytes('xxA: b\r\n\r\nbody'), 2), 10)
  assert.equal(headerEnd(bytes('A: b\r\n\r\nbody'), 0, 5), 5)
})

test('fields have exact offsets, folded lines included', () => {
  const text = 'From: a\r\nsubject : one\r\n\ttwo\r\nno colon here\r\nX-Last:\r\n\r\nTo: body\r\n'
  const fields = parseHeaderFields(bytes(text))
  assert.deepEqual(
    fields.map(({ name, lower, start, end, valueStart }) => [name, lower, start, end, valueStart]),
    [
      ['From', 'from', 0, 9, 5],
      ['subject', 'subject', 9, 30, 18],
      ['X-Last', 'x-last', 45, 54, 52],
    ],
  )
  assert.equal(fieldValue(bytes(text), fields[1]!), 'one\ttwo')
  assert.equal(fieldValue(bytes(text), fields[2]!), '')
})

test('fields of a part of the bytes count their offsets from the whole', () => {
  const all = bytes('junk\r\nA: 1\r\nB: 2\r\n\r\n')
  const fields = parseHeaderFields(all, 6, 18)
  assert.deepEqual(
    fields.map((field) => [field.lower, field.start, fieldValue(all, field)]),
    [
      ['a', 6, '1'],
      ['b', 12, '2'],
    ],
  )
})

test('names with white space or 8-bit bytes are no fields', () => {
  const names = parseHeaderFields(bytes('From x y: z\r\nX\xe9: a\r\n: b\r\n c: d\r\nX\0: e\r\nGood: f\r\n')).map(
    (field) => field.name,
  )
  assert.deepEqual(names, ['Good'])
})

test('unfold makes one trimmed line of anything', () => {
  const cases: [string, string][] = [
    [' a', 'a'],
    [' a\r\n b\r\n', 'a b'],
    [' a\n\tb\n', 'a\tb'],
    ['a\rb', 'a b'],
    ['a\r\n\r\n b', 'a  b'],
    // The last byte of 你 in UTF-8 is A0: no white space.
    [' \u00e4\u00bd\u00a0 ', '\u00e4\u00bd\u00a0'],
    ['a\0b', 'ab'],
    ['\r\n \r\n ', ''],
  ]
  for (const [text, expected] of cases) assert.equal(unfold(text), expected, JSON.stringify(text))
})

test('decoded values take raw 8-bit text as UTF-8, or guess', () => {
  const decoded = (raw: Buffer): string => {
    const all = Buffer.concat([Buffer.from('Subject: '), raw, Buffer.from('\r\n')])
    return decodedFieldValue(all, parseHeaderFields(all)[0]!)
  }
  assert.equal(decoded(Buffer.from('直接 =?utf-8?B?5L2g5aW9?=')), '直接 你好')
  assert.equal(decoded(Buffer.from([0xd6, 0xd0, 0xce, 0xc4, 0xd6, 0xf7, 0xcc, 0xe2])), '中文主题')
  assert.equal(decoded(Buffer.from([0x47, 0x72, 0xf6, 0xdf, 0x65])), 'Größe')
})

test('formatField folds at white space and lets nothing be injected', () => {
  assert.equal(formatField('To', 'a@b'), 'To: a@b\r\n')
  assert.equal(formatField('X', 'a\r\nBcc: evil'), 'X: a Bcc: evil\r\n')
  const long = formatField('Subject', 'word '.repeat(60))
  assert.ok(long.split('\r\n').every((line) => line.length <= 78))
  assert.equal(unfold(long.slice('Subject:'.length)), 'word '.repeat(60).trim())
})
