import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canonicalAddress,
  canonicalDomain,
  formatMailbox,
  parseAddressList,
  splitAddress,
  stripSubaddress,
} from './address.ts'
import { mailLimits } from './types.ts'

/** `name <mailbox@host>`; a group's start is `name:`, its end `;`. */
const shown = (value: string): string[] =>
  parseAddressList(value).map(({ name, adl, mailbox, host }) => {
    if (host === null) return mailbox === null ? ';' : `${mailbox}:`
    return `${name === null ? '' : `${name} `}<${adl === null ? '' : `${adl}:`}${mailbox}@${host}>`
  })

test('address lists', () => {
  const cases: [string, string[]][] = [
    ['', []],
    [' , ,', []],
    ['a@b', ['<a@b>']],
    ['Bob <b@c>', ['Bob <b@c>']],
    ['"Doe, John" <j@d>, x@y', ['Doe, John <j@d>', '<x@y>']],
    ['"a \\"b\\" \\\\ c" <x@y>', ['a "b" \\ c <x@y>']],
    ['a@b (Real Name)', ['Real Name <a@b>']],
    ['(c) a(c)@(c)b(c)', ['c <a@b>']],
    ['John Q. Public <j@p>', ['John Q. Public <j@p>']],
    ['first.last@sub.example.com', ['<first.last@sub.example.com>']],
    ['a . b @ c . d', ['<a.b@c.d>']],
    ['<@r1,@r2:u@d>', ['<@r1,@r2:u@d>']],
    ['"quoted local"@d', ['<quoted local@d>']],
    ['<"a@b"@d>', ['<a@b@d>']],
    ['a@[192.0.2.1], <b@[IPv6:::1]>', ['<a@[192.0.2.1]>', '<b@[IPv6:::1]>']],
    ['G: a@b, C <c@d>; e@f', ['G:', '<a@b>', 'C <c@d>', ';', '<e@f>']],
    ['undisclosed-recipients:;', ['undisclosed-recipients:', ';']],
    ['G: a@b', ['G:', '<a@b>', ';']],
    ['a@b; c@d', ['<a@b>', '<c@d>']],
    ['root', ['<root@>']],
    ['Operator <op>', ['Operator <op@>']],
    ['<>', ['<@>']],
    ['John Smith j@s', ['John Smith <j@s>']],
    ['Alice <a@b, Bob <c@d>', ['Alice <a@b>', 'Bob <c@d>']],
    ['x@y <a@b> <c@d>', ['x@y <a@b>']],
    ['=?utf-8?B?5byg5LiJ?= <z@s>', ['张三 <z@s>']],
    ['"=?gb2312?B?1cXI/Q==?=" <z@s>', ['张三 <z@s>']],
    ['=?big5?B?sWmkVA==?= <z@s>', ['張三 <z@s>']],
    ['=?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <y@j>', ['山田 <y@j>']],
    ['=?utf-8?Q?Smith,_John?= <j@s>, k@s', ['Smith, John <j@s>', '<k@s>']],
    ['=?utf-8?Q?A?= =?utf-8?Q?B?= C <x@y>', ['AB C <x@y>']],
    ['\xe5\xbc\xa0\xe4\xb8\x89 <\xe5\xbc\xa0@x>', ['张三 <\u00e5\u00bc\u00a0@x>']],
    ['张三 <张三@例子.测试>', ['张三 <张三@例子.测试>']],
    ['a@b> , c@d)', ['<a@b>', '<c@d>']],
    ['"open <a@b>', ['"open <a@b>']],
    ['Alice\r\n <a@b>,\r\n\tc@d', ['Alice <a@b>', '<c@d>']],
  ]
  for (const [value, expected] of cases) assert.deepEqual(shown(value), expected, value)
})

test('an address list stops at its limit', () => {
  const value = 'a@b,'.repeat(mailLimits.addressesPerFieldMax + 5)
  assert.equal(parseAddressList(value).length, mailLimits.addressesPerFieldMax)
})

test('canonical addresses', () => {
  const cases: [string, string | undefined][] = [
    ['Aaa@Test.COM', 'aaa@test.com'],
    ['aaa+Tag@test.com', 'aaa+tag@test.com'],
    ['"aaa"@test.com', 'aaa@test.com'],
    ['"a\\b"@test.com', 'ab@test.com'],
    ['"a b"@test.com', '"a b"@test.com'],
    ['"a\\"b"@test.com', '"a\\"b"@test.com'],
    ['"A@B"@test.com', '"a@b"@test.com'],
    ['""@test.com', '""@test.com'],
    ['aaa@test.com.', 'aaa@test.com'],
    ['aaa@localhost', 'aaa@localhost'],
    ['张三@例子.测试', '张三@xn--fsqu00a.xn--0zwm56d'],
    ['张三@XN--FSQU00A.XN--0ZWM56D', '张三@xn--fsqu00a.xn--0zwm56d'],
    ['e\u0301@x.com', 'é@x.com'],
    ['É@x.com', 'é@x.com'],
    ['a@MÜLLER.example', 'a@xn--mller-kva.example'],
    ['a@例子。测试', 'a@xn--fsqu00a.xn--0zwm56d'],
    ['a@[192.0.2.1]', 'a@[192.0.2.1]'],
    ['a@[IPv6:2001:DB8::1]', 'a@[ipv6:2001:db8::1]'],
    [`${'a'.repeat(64)}@x.com`, `${'a'.repeat(64)}@x.com`],
    [`${'a'.repeat(65)}@x.com`, undefined],
    [`${'中'.repeat(21)}@x.com`, `${'中'.repeat(21)}@x.com`],
    [`${'中'.repeat(22)}@x.com`, undefined],
    [`a@${`${'b'.repeat(63)}.`.repeat(3)}${'c'.repeat(63)}`, `a@${`${'b'.repeat(63)}.`.repeat(3)}${'c'.repeat(63)}`],
    [`a@${`${'b'.repeat(63)}.`.repeat(4)}c`, undefined],
    [`a@${'b'.repeat(64)}.com`, undefined],
    ['', undefined],
    ['aaa', undefined],
    ['@test.com', undefined],
    ['aaa@', undefined],
    ['a@b@c', undefined],
    ['.a@x.com', undefined],
    ['a.@x.com', undefined],
    ['a..b@x.com', undefined],
    ['a b@x.com', undefined],
    [' a@x.com', undefined],
    ['a@x.com ', undefined],
    ['<a@x.com>', undefined],
    ['a,b@x.com', undefined],
    ['a@x..com', undefined],
    ['a@-x.com', undefined],
    ['a@x-.com', undefined],
    ['a@x y.com', undefined],
    ['a@x/y', undefined],
    ['a@x%41.com', undefined],
    ['a@127.0.0.1', undefined],
    ['a@1.2', undefined],
    ['a@0x7f.1', undefined],
    ['a@[300.1.1.1]', undefined],
    ['a@[::1]', undefined],
    ['a@[ipv6:zz]', undefined],
    ['a\r\n@x.com', undefined],
    ['a\0@x.com', undefined],
    ['"a@x.com', undefined],
    ['"a"b@x.com', undefined],
    ['a\u200bb@x.com', undefined],
    ['a\u3000b@x.com', undefined],
    ['a\ud800@x.com', undefined],
    ['a\u202e@x.com', undefined],
  ]
  for (const [text, expected] of cases) assert.equal(canonicalAddress(text), expected, JSON.stringify(text))
})

test('canonical domains', () => {
  const cases: [string, string | undefined][] = [
    ['Test.COM', 'test.com'],
    ['例子.测试', 'xn--fsqu00a.xn--0zwm56d'],
    ['mailer.com.cn', 'mailer.com.cn'],
    ['_dmarc.test.com', '_dmarc.test.com'],
    ['', undefined],
    ['.', undefined],
    ['a..b', undefined],
    ['xn--\u00e9', undefined],
  ]
  for (const [text, expected] of cases) assert.equal(canonicalDomain(text), expected, text)
})

test('addresses split at the last @, local parts at the first +', () => {
  assert.deepEqual(splitAddress('"a@b"@c.d'), { local: '"a@b"', domain: 'c.d' })
  assert.deepEqual(splitAddress('nobody'), { local: 'nobody', domain: '' })
  assert.deepEqual(stripSubaddress('user+a+b'), { base: 'user', tag: 'a+b' })
  assert.deepEqual(stripSubaddress('user+'), { base: 'user', tag: '' })
  assert.deepEqual(stripSubaddress('user'), { base: 'user', tag: null })
  assert.deepEqual(stripSubaddress('+user'), { base: '+user', tag: null })
  assert.deepEqual(stripSubaddress('"a+b c"'), { base: '"a+b c"', tag: null })
})

test('mailboxes are written so that they read back and end no line', () => {
  const cases: [string | null, string, string][] = [
    [null, 'a@b', 'a@b'],
    ['', 'a@b', 'a@b'],
    ['Bob', 'a@b', 'Bob <a@b>'],
    ['Doe, J.', 'a@b', '"Doe, J." <a@b>'],
    ['a "b" \\', 'a@b', '"a \\"b\\" \\\\" <a@b>'],
    ['张三', 'a@b', '=?utf-8?B?5byg5LiJ?= <a@b>'],
    ['x\r\nBcc: y', 'a@b\r\nX: z', '"x Bcc: y" <a@bX: z>'],
  ]
  for (const [name, address, expected] of cases) assert.equal(formatMailbox(name, address), expected)
})
