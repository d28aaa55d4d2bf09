import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHeaderFields } from './header.ts'
import { countReceived, findMessageId, formatReceived, formatReturnPath } from './trace-header.ts'

const dateMs = Date.UTC(2026, 0, 6, 2, 3, 4)

test('a Received field names everyone who took part', () => {
  assert.equal(
    formatReceived({
      from: { helo: 'client.example', name: 'host.example', ip: '192.0.2.1' },
      by: 'bj.test.com',
      protocol: 'ESMTPSA',
      id: '01J00000000000000000000000',
      for: 'bbb@test.com',
      tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
      dateMs,
    }),
    'Received: from client.example (host.example [192.0.2.1])\r\n' +
      '\tby bj.test.com with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n' +
      '\tid 01J00000000000000000000000 for <bbb@test.com>;\r\n' +
      '\tTue, 06 Jan 2026 02:03:04 +0000\r\n',
  )
  assert.equal(
    formatReceived({ by: 'n', protocol: 'local', id: 'i', dateMs }),
    'Received: by n with local\r\n\tid i;\r\n\tTue, 06 Jan 2026 02:03:04 +0000\r\n',
  )
})

test('IPv6 addresses are literals, mapped IPv4 ones are IPv4', () => {
  const shown = (ip: string): string =>
    /\[.*\]/.exec(
      formatReceived({ from: { helo: 'x', name: '', ip }, by: 'n', protocol: 'SMTP', id: 'i', dateMs }),
    )?.[0] ?? ''
  assert.equal(shown('2001:db8::1'), '[IPv6:2001:db8::1]')
  assert.equal(shown('::ffff:192.0.2.1'), '[192.0.2.1]')
})

test('what strangers say ends neither a line nor a clause', () => {
  const evil = 'x\r\nBcc: y\r\n\r\n; (comment) by <z> "q" \\ \u0000\u2028'
  const text = formatReceived({
    from: { helo: evil, name: evil, ip: evil },
    by: evil,
    protocol: evil,
    id: evil,
    for: evil,
    tls: evil,
    dateMs,
  })
  const fields = parseHeaderFields(Buffer.from(`${text}\r\n`))
  assert.equal(fields.length, 1)
  assert.equal(text.split('\r\n').length, 5)
  assert.equal(text.replace(/\r\n\t|\r\n$/g, '').includes('\n'), false)
  assert.equal(text.match(/;/g)?.length, 1)
  const long = formatReceived({
    from: { helo: 'h'.repeat(9999), name: '', ip: '1' },
    by: 'b',
    protocol: 'p',
    id: 'i',
    dateMs,
  })
  assert.ok(long.split('\r\n').every((line) => line.length < 998))
  assert.equal(parseHeaderFields(Buffer.from(formatReturnPath('a@b>\r\nX: y'))).length, 1)
})

test('Return-Path', () => {
  assert.equal(formatReturnPath(''), 'Return-Path: <>\r\n')
  assert.equal(formatReturnPath('aaa@test.com'), 'Return-Path: <aaa@test.com>\r\n')
  assert.equal(formatReturnPath('"a b"@test.com'), 'Return-Path: <"a b"@test.com>\r\n')
  assert.equal(formatReturnPath('张三@例子.测试'), 'Return-Path: <张三@例子.测试>\r\n')
})

test('Received fields are counted in the header only', () => {
  const header =
    'Received: a\r\n\tReceived: folded\r\nRECEIVED : b\r\nReceived-SPF: pass\r\nX-Received: c\r\nreceived:d\r\n'
  assert.equal(countReceived(Buffer.from(header)), 3)
  assert.equal(countReceived(Buffer.from(`${header}\r\nReceived: body\r\n`)), 3)
  assert.equal(countReceived(Buffer.from(header.replaceAll('\r\n', '\n'))), 3)
  assert.equal(countReceived(Buffer.from('')), 0)
  assert.equal(countReceived(Buffer.from('Received')), 0)
})

test('the Message-ID without its brackets', () => {
  const cases: [string, string][] = [
    ['Message-ID: <a@b>\r\n', 'a@b'],
    ['Subject: x\r\nmessage-id:\r\n <a@b>\r\n', 'a@b'],
    ['Message-ID: <1>\r\nMessage-ID: <2>\r\n', '1'],
    ['Message-Id: bare@b more\r\n', 'bare@b'],
    ['Message-Id: (c) < a @ b > x\r\n', 'a@b'],
    ['Message-Id:\r\n', ''],
    ['Subject: <a@b>\r\n\r\nMessage-ID: <body>\r\n', ''],
    ['', ''],
  ]
  for (const [text, expected] of cases) assert.equal(findMessageId(Buffer.from(text)), expected, text)
})
