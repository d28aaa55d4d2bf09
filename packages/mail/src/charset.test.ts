import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeText, guessCharset } from './charset.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('charsets, their aliases and supersets', () => {
  const cases: [string | null, string, string][] = [
    ['utf-8', 'e4bda0 e5a5bd', '你好'],
    ['UTF8', 'e4bda0', '你'],
    ['gb2312', 'c4e3 bac3', '你好'],
    ['GB2312', 'e946', '镕'],
    ['gb_2312-80', 'c4e3', '你'],
    ['gbk', 'c4e3', '你'],
    ['x-gbk', 'c4e3', '你'],
    ['cp936', 'c4e3', '你'],
    ['gb2312', '9532 8236', '\u{20000}'],
    ['gb18030', 'a2e3', '€'],
    ['big5', 'a741 a66e', '你好'],
    ['cp950', 'a741', '你'],
    ['big5-hkscs', '8862', 'Ê̄'],
    ['Big5-HKSCS', 'fa40', '\u{20547}'],
    ['iso-2022-jp', '1b2442 2433 2473 1b2842', 'こん'],
    ['cp932', '8abf 8e9a', '漢字'],
    ['shift_jis', '955c', '表'],
    ['euc-jp', 'b4c1 bbfa', '漢字'],
    ['ks_c_5601-1987', 'c7d1', '한'],
    ['cp949', 'c7d1', '한'],
    ['koi8-r', 'd0d2c9', 'при'],
    ['windows-1252', '80 93', '€“'],
    ['iso-8859-1', 'e9', 'é'],
    ['utf-16', '604f', '你'],
    ['utf-16be', '4f60', '你'],
    ['utf-7', '2b5432425a66512d', '你好'],
    ['utf-32le', '604f0000', '你'],
    ['ibm850', '82', 'é'],
    [' utf-8 ', 'c3a9', 'é'],
    ['us-ascii', '61', 'a'],
    ['us-ascii', 'c3a9', 'é'],
    [null, '', ''],
    [null, 'e4bda0', '你'],
    [null, 'd6d0 cec4 b2e2 cad4', '中文测试'],
    [null, '6372e9e965', 'créée'],
    [null, 'c0 20 70 72 6f 70 6f 73', 'À propos'],
    [null, '1b2442 2433 1b2842', 'こ'],
    ['nobody-knows', 'e4bda0', '你'],
    ['nobody-knows', 'd6d0 cec4', '中文'],
    ['base64', '61', 'a'],
    ['constructor', '61', 'a'],
    ['utf-8', '61 ff 62', 'a\ufffdb'],
    ['replacement', '61', 'a'],
  ]
  for (const [charset, bytes, expected] of cases) {
    assert.equal(decodeText(hex(bytes), charset), expected, `${charset} ${bytes}`)
  }
})

test('a long UTF-8 text is known as such also where the look ends inside a character', () => {
  for (let pad = 0; pad < 4; pad += 1) {
    const text = Buffer.concat([Buffer.alloc(pad, 'a'), Buffer.from('中'.repeat(4000)), Buffer.from([0xff])])
    assert.equal(guessCharset(text), 'utf-8', `${pad}`)
  }
})
