import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeHeaderText, decodeWords, encodeWords } from './encoded-word.ts'

test('encoded words decode', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['=?utf-8?B?5L2g5aW9?=', '你好'],
    ['=?UTF-8?b?5L2g5aW9?=', '你好'],
    ['=?utf-8?Q?Caf=C3=A9_cr=C3=A8me?=', 'Café crème'],
    ['=?iso-8859-1?q?a=E9?=', 'aé'],
    ['=?gb2312?B?xOO6ww==?=', '你好'],
    ['=?GB2312?Q?=C4=E3=BA=C3?=', '你好'],
    ['=?gb18030?B?lTKCNg==?=', '\u{20000}'],
    ['=?gbk?B?6UY=?=', '镕'],
    ['=?big5?B?p0GmbsHCwcI=?=', '你好謝謝'],
    ['=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=', 'こん'],
    ['=?utf-7?Q?+T2BZfQ-?=', '你好'],
    // RFC 2047 §8
    ['=?ISO-8859-1?Q?a?= b', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-1?Q?b?=', 'ab'],
    ['=?ISO-8859-1?Q?a_b?=', 'a b'],
    ['=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=', 'a b'],
    ['(=?ISO-8859-1?Q?a?=)', '(a)'],
    // One character over two words, in B, in Q, and in both.
    ['=?utf-8?B?5L2g5Q==?= =?utf-8?B?pb0=?=', '你好'],
    ['=?utf-8?Q?=E4=BD?= =?utf-8?Q?=A0?=', '你'],
    ['=?gb2312?B?xA==?= =?GB2312?Q?=E3?=', '你'],
    ['=?big5?B?pw==?= =?big5?B?QQ==?=', '你'],
    ['=?utf-8*zh?B?5L2g?=', '你'],
    ['=?utf-8?Q?blanks inside?=', 'blanks inside'],
    ['a =?utf-8?Q?b?= c', 'a b c'],
    ['=?x-unknown?B?5L2g5aW9?=', '你好'],
    ['=?utf-8?Q?a=ZZ=?=', 'a=ZZ='],
    ['=?utf-8?X?abc?=', '=?utf-8?X?abc?='],
    ['=?utf-8?B?abc', '=?utf-8?B?abc'],
    ['=??B?YQ==?=', '=??B?YQ==?='],
    ['=?utf-8?B??=', ''],
    ['?= =?', '?= =?'],
  ]
  for (const [text, expected] of cases) assert.equal(decodeWords(text), expected, text)
})

test('decoded header text is one line', () => {
  assert.equal(decodeHeaderText('=?utf-8?Q?a=0D=0ABcc:_x?='), 'a Bcc: x')
  assert.equal(decodeHeaderText('=?utf-8?Q?a=00b?='), 'a b')
})

test('plain text stays plain, other text is encoded in words of at most 75 characters', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['plain text', 'plain text'],
    ['Re: 你好 world', 'Re: =?utf-8?B?5L2g5aW9?= world'],
    ['Grüße aus Köln am Rhein', '=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?= am Rhein'],
    ['looks =?like?= one', 'looks =?utf-8?Q?=3D=3Flike=3F=3D?= one'],
    ['a\r\nb', 'a b'],
    [' led', '=?utf-8?Q?_led?='],
    ['trailed ', '=?utf-8?Q?trailed_?='],
    [' ', '=?utf-8?Q?_?='],
  ]
  for (const [text, expected] of cases) assert.equal(encodeWords(text), expected, text)
  const long = encodeWords('很长的主题'.repeat(40))
  assert.ok(long.split(' ').every((word) => word.length <= 75 && /^=\?utf-8\?B\?.*\?=$/.test(word)))
  assert.ok(long.split(' ').every((word) => !decodeWords(word).includes('\ufffd')))
  assert.equal(decodeWords(long), '很长的主题'.repeat(40))
})
