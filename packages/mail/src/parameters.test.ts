import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseParameterised } from './parameters.ts'

test('parameters as RFC 2045 and RFC 2231 have them, and as they are sent', () => {
  const cases: [string, string, Record<string, string>][] = [
    ['', '', {}],
    ['text/plain', 'text/plain', {}],
    ['Text/HTML; Charset="UTF-8"', 'Text/HTML', { charset: 'UTF-8' }],
    ['a/b; x="a;b\\"c"; y=z', 'a/b', { x: 'a;b"c', y: 'z' }],
    ['a/b (one; two) ; (c) x = y (d)', 'a/b', { x: 'y' }],
    ['attachment; filename=my file.zip', 'attachment', { filename: 'my file.zip' }],
    ['attachment; filename=a(1).zip', 'attachment', { filename: 'a(1).zip' }],
    ['a/b; x="open', 'a/b', { x: 'open' }],
    ['a/b; x="  kept  "', 'a/b', { x: '  kept  ' }],
    ['a/b; x=; ; =y; z', 'a/b', { x: '' }],
    ['a/b; x=1; X=2', 'a/b', { x: '1' }],
    ["a/b; f*=utf-8'zh'%E4%B8%AD%E6%96%87.txt", 'a/b', { f: '中文.txt' }],
    ["a/b; f*=gbk''%D6%D0%CE%C4", 'a/b', { f: '中文' }],
    ["a/b; f*=big5''%A4%A4%A4%E5", 'a/b', { f: '中文' }],
    ['a/b; f*1*=%96%87; f*0*=utf-8\'\'%E4%B8%AD%E6; f*2=".txt"', 'a/b', { f: '中文.txt' }],
    ['a/b; f*0="ab"; f*1="cd"', 'a/b', { f: 'abcd' }],
    ["a/b; f=plain; f*=utf-8''%C3%A9", 'a/b', { f: 'é' }],
    ['a/b; f*=%41bc', 'a/b', { f: 'Abc' }],
    ["a/b; f*=utf-8''100%", 'a/b', { f: '100%' }],
    ['a/b; name="=?gb2312?B?1tDOxA==?=.doc"', 'a/b', { name: '中文.doc' }],
    ['a/b; name="=?utf-8?B?5Lit?=\r\n =?utf-8?B?5paH?="', 'a/b', { name: '中文' }],
    ['a/b; name=\xe4\xb8\xad', 'a/b', { name: '中' }],
    ['a/b; name=中', 'a/b', { name: '中' }],
    ['a/b; __proto__=x; constructor=y', 'a/b', { constructor: 'y' }],
  ]
  for (const [text, value, parameters] of cases) {
    const read = parseParameterised(text)
    assert.equal(read.value, value, text)
    assert.deepEqual(read.parameters, parameters, text)
  }
})

test('a thousand parameters at most, and no time lost on open brackets', () => {
  const many = Array.from({ length: 5000 }, (_, i) => `p${i}=x`).join(';')
  assert.equal(Object.keys(parseParameterised(`a/b;${many}`).parameters).length, 1000)
  const text = `a/b${';( '.repeat(200_000)}`
  const before = process.cpuUsage().user
  parseParameterised(text)
  assert.ok(process.cpuUsage().user - before < 2_000_000)
})
