// Hostile repetitions cost linear time: each takes milliseconds here, and would take minutes were it quadratic.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allText, decodeWords, indexMessage, parseAddressList, parseParameterised, readableText } from './index.ts'

const bytes = 200_000
const cpuMsMax = 3000

function assertQuick(label: string, run: () => unknown): void {
  const before = process.cpuUsage()
  run()
  const { user } = process.cpuUsage(before)
  assert.ok(user / 1000 < cpuMsMax, `${JSON.stringify(label)} took ${user / 1000} ms`)
}

const repeated = (piece: string): string => piece.repeat(Math.ceil(bytes / piece.length))

test('address lists', () => {
  const pieces = [
    '<',
    '(',
    '"',
    '[',
    '@',
    ':',
    ',',
    ';',
    'a@',
    '<a',
    '"a" ',
    '(a',
    '=?',
    'a:',
    '\\',
    '<"',
    '.',
    ' .',
    'a b ',
    'a@b ',
    ':;',
    '=?a?b?',
    '(\\',
    '<,',
    'a .',
    '"\\"',
    ' ',
    '< ',
    '\u00e9',
  ]
  for (const piece of pieces) {
    assertQuick(piece, () => parseAddressList(repeated(piece)))
    assertQuick(`a@b ${piece}`, () => parseAddressList(`a@b ${repeated(piece)}`))
    assertQuick(`<${piece}>`, () => parseAddressList(`<${repeated(piece)}>`))
  }
})

test('encoded words', () => {
  for (const piece of ['=?', '=?a?b?', '=?a?q?', '=?a?b?a?=', '=?a*b?', '=?a?b?a?= ', '?', '=?utf-8?Q?=', ' ']) {
    assertQuick(piece, () => decodeWords(repeated(piece)))
    assertQuick(`=?a?q?${piece}`, () => decodeWords(`=?a?q?${repeated(piece)}`))
  }
})

test('parameters', () => {
  for (const piece of [
    '(',
    ' (',
    ';(',
    ';',
    ';a=',
    ';a="',
    ';a*0=x',
    ';a*0*=%',
    '"',
    '\\',
    ';a= (x)',
    '=(',
    ' ',
    ';a*',
    "'",
  ]) {
    assertQuick(piece, () => parseParameterised(`a/b${repeated(piece)}`))
    assertQuick(`;a*0*=${piece}`, () => parseParameterised(`a/b;a*0*=${repeated(piece)}`))
  }
})

test('HTML', () => {
  const pieces = [
    '<',
    '<a',
    '<!--',
    '<a "',
    "<a '>",
    '<script>',
    '</script>',
    '<style',
    '&',
    '&#1;',
    '<a ">',
    '<p>',
    '<!--x-->',
    '<a title="',
    '<object>',
    '<head>',
    '<a =\'">',
    '&nbsp;',
    ' ',
    ' <',
    '<br> ',
  ]
  for (const piece of pieces) {
    const message = Buffer.from(`Content-Type: text/html\r\n\r\n${repeated(piece)}`)
    assertQuick(piece, () => readableText(message, indexMessage(message)))
  }
})

test('headers and structure', () => {
  const multipart =
    'Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n'
  for (const piece of [
    '\r',
    '\n ',
    '\r\n ',
    ':',
    'a:\n',
    '\0',
    ' \r',
    '\r\r\n',
    ' ',
    '<',
    '<a',
    'References: <a>\r\n',
    'To: a@b\r\n',
    'Content-Type: a/b\r\n',
  ]) {
    for (const name of [
      'Subject: ',
      'References: ',
      'Content-Type: ',
      'Content-Language: ',
      'Content-Transfer-Encoding: (',
      'Date: ',
      '',
    ]) {
      const message = Buffer.from(name + repeated(piece))
      assertQuick(name + piece, () => indexMessage(message))
    }
  }
  for (const piece of [
    '--\r\n',
    '--bb-\r\n',
    '--b\n',
    '--bb\n',
    '\n',
    '-\n',
    '--b\n\n',
    '-',
    '--bb',
    '--b\nContent-Type: multipart/mixed; boundary=b\n\n',
    '--b\nContent-Type: message/rfc822\n\n',
    'Content-Type: message/rfc822\n\n',
  ]) {
    const message = Buffer.from(multipart + repeated(piece))
    assertQuick(piece, () => indexMessage(message))
  }
})

test('transfer encodings', () => {
  for (const encoding of ['base64', 'quoted-printable']) {
    for (const piece of ['=', ' ', '= ', 'YQ==', '= \n', ' \n', '\t=', '=\r\n', '=4', '\t', '= x']) {
      const message = Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n\r\n${repeated(piece)}`)
      assertQuick(piece, () => allText(message, indexMessage(message)))
    }
  }
})
