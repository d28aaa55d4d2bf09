import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { isMailbox, parsePathCommand } from './mail-path.ts'

const parse = (line: string) => parsePathCommand(line, 'MAIL FROM', 256)

describe('MAIL FROM:<path> parameters', () => {
  const good: [string, string, Record<string, string>][] = [
    ['MAIL FROM:<>', '', {}],
    ['mail from:<a@b>', 'a@b', {}],
    ['MAIL FROM: <a@b>', 'a@b', {}],
    ['MAIL FROM :<a@b>', 'a@b', {}],
    ['MAIL FROM:<a@b> ', 'a@b', {}],
    ['MAIL FROM:<@one,@two:a@b> SIZE=1', 'a@b', { SIZE: '1' }],
    ['MAIL FROM:<"a>b"@c> body=8BITMIME SMTPUTF8', '"a>b"@c', { BODY: '8BITMIME', SMTPUTF8: '' }],
    ['MAIL FROM:<"a\\"> b"@c>', '"a\\"> b"@c', {}],
    ['MAIL FROM:<a@b> AUTH=<>', 'a@b', {}],
  ]
  for (const [line, address, parameters] of good) {
    test(line, () => {
      const parsed = parse(line)
      if (line.includes('AUTH=<>')) {
        assert.ok(typeof parsed === 'object')
        assert.equal(parsed.parameters.get('AUTH'), '<>')
        return
      }
      assert.deepEqual(parsed, { address, parameters: new Map(Object.entries(parameters)) })
    })
  }

  for (const line of [
    'MAIL',
    'MAIL FROM',
    'MAIL FROM:',
    'MAIL FROM:a@b',
    'MAIL FROM:<a@b',
    'MAIL FROM:<a@b>x',
    'RCPT TO:<a@b>',
  ]) {
    test(`${line} is no path`, () => assert.equal(parse(line), 'path-syntax'))
  }

  test('a path has a length', () => {
    assert.equal(typeof parse(`MAIL FROM:<${'a'.repeat(250)}@b.c>`), 'object')
    assert.equal(parse(`MAIL FROM:<${'a'.repeat(251)}@b.c>`), 'path-syntax')
  })

  for (const line of [
    'MAIL FROM:<a@b> =1',
    'MAIL FROM:<a@b> A=',
    'MAIL FROM:<a@b> A=b=c',
    'MAIL FROM:<a@b> A a',
    'MAIL FROM:<a@b> -',
  ]) {
    test(`${line} has bad parameters`, () => assert.equal(parse(line), 'parameter-syntax'))
  }

  test('property: never throws', () => {
    const piece = fc.constantFrom(
      'MAIL FROM:',
      '<',
      '>',
      '"',
      '\\',
      '@',
      ':',
      ' ',
      '=',
      'a',
      '.',
      '\u4e2d',
      '\u0000',
      ',',
    )
    const rule = fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const parsed = parse(`MAIL FROM:${pieces.join('')}`)
      if (typeof parsed !== 'string') isMailbox(parsed.address)
    })
    fc.assert(rule, { numRuns: 3_000 })
  })
})

describe('mailboxes', () => {
  const good = [
    'a@b',
    'a.b+c@x-y.example',
    "!#$%&'*+/=?^_`{|}~-@a",
    '"a b"@c',
    '"\\""@c',
    '""@c',
    '"a@b"@c',
    'a@[192.0.2.1]',
    'a@[IPv6:2001:db8::1]',
    '\u66f9@\u4e2d\u6587.example',
    'a@_dmarc.example',
    '\u{1f600}@x',
  ]
  for (const address of good) test(`${address} is one`, () => assert.equal(isMailbox(address), true))
  const wrong = [
    '',
    'a',
    '@b',
    'a@',
    'a b@c',
    '.a@b',
    'a.@b',
    'a..b@c',
    'a@-b',
    'a@b-',
    'a@b..c',
    'a@.b',
    'a@b.',
    '"a@b',
    '"a"b@c',
    'a@[1.2.3]',
    'a@[IPv6:1.2.3.4]',
    'a@[::1]',
    'a\u0000@b',
    'a\u0085@b',
    'a\u200b@b',
    'a\ufffd@b',
    'a,b@c',
    'a@b\r\nc',
    '<a@b>',
  ]
  for (const address of wrong) test(`${JSON.stringify(address)} is none`, () => assert.equal(isMailbox(address), false))
})
