import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDate, imapInternalDate, parseDate, parseImapDateTime } from './date-time.ts'

const iso = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString().replace('.000Z', 'Z')

test('dates of headers', () => {
  const cases: [string, string | null][] = [
    ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06Z'],
    ['21 Nov 1997 09:55 +0000', '1997-11-21T09:55:00Z'],
    ['Thu, 13\r\n  Feb\r\n  1969\r\n  23:32\r\n  -0330 (Newfoundland Time)', '1969-02-14T03:02:00Z'],
    ['21 Nov 97 09:55:06 GMT', '1997-11-21T09:55:06Z'],
    ['Fri, 21 Nov 49 09:55:06 EST', '2049-11-21T14:55:06Z'],
    ['21 Nov 100 09:55:06 UT', '2000-11-21T09:55:06Z'],
    ['1 Jan 2026 00:00:00 PDT', '2026-01-01T07:00:00Z'],
    ['1 Jan 2026 00:00:00 A', '2026-01-01T00:00:00Z'],
    ['1 Jan 2026 00:00:00 XYZ', '2026-01-01T00:00:00Z'],
    ['1 Jan 2026 00:00:00 -0000', '2026-01-01T00:00:00Z'],
    ['1 Jan 2026 00:00:00', '2026-01-01T00:00:00Z'],
    ['Tue, 06 Jan 2026 10:00:00 +08:00', '2026-01-06T02:00:00Z'],
    ['Tue, 06 Jan 2026 10:00:00 GMT+0800', '2026-01-06T02:00:00Z'],
    ['Tue, 06 Jan 2026 10:00:00+0800 (CST)', '2026-01-06T02:00:00Z'],
    ['Tue,6 Jan 2026 10:00:00 +0800', '2026-01-06T02:00:00Z'],
    ['Tuesday, 6 January 2026 10:00:00 +0000', '2026-01-06T10:00:00Z'],
    ['Tue Jan  6 10:00:00 2026', '2026-01-06T10:00:00Z'],
    ['Jan 6, 2026 3:04:05 PM', '2026-01-06T15:04:05Z'],
    ['06-Jan-2026 10:00:00 +0000', '2026-01-06T10:00:00Z'],
    ['2026-01-06T10:00:00Z', '2026-01-06T10:00:00Z'],
    ['2026-01-06 10:00:00.123 +0800', '2026-01-06T02:00:00Z'],
    ['2026-01-06', '2026-01-06T00:00:00Z'],
    ['31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00Z'],
    ['29 Feb 2024 00:00:00 +0000', '2024-02-29T00:00:00Z'],
    ['29 Feb 2023 00:00:00 +0000', null],
    ['32 Jan 2026 00:00:00 +0000', null],
    ['1 Jan 2026 25:00:00 +0000', null],
    ['1 Jan 2026 10:61:00 +0000', null],
    ['yesterday', null],
    ['', null],
    ['10:00:00', null],
    ['(only a comment)', null],
    [`1 Jan 2026 00:00:00 ${'x'.repeat(300)}`, null],
  ]
  for (const [text, expected] of cases) assert.equal(iso(parseDate(text)), expected, text)
})

test('dates are written as RFC 5322 and IMAP want them', () => {
  const ms = Date.UTC(2026, 0, 6, 2, 3, 4)
  assert.equal(formatDate(ms), 'Tue, 06 Jan 2026 02:03:04 +0000')
  assert.equal(imapInternalDate(ms), ' 6-Jan-2026 02:03:04 +0000')
  assert.equal(imapInternalDate(Date.UTC(1996, 6, 17, 12, 44, 25)), '17-Jul-1996 12:44:25 +0000')
  for (const odd of [Number.NaN, Infinity, -Infinity, 1e300, -1e300]) {
    assert.match(formatDate(odd), /^\w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000$/)
    assert.match(imapInternalDate(odd), /^[ \d]\d-\w{3}-\d{4} [\d:]{8} \+0000$/)
  }
})

test('IMAP date-time is strict', () => {
  const cases: [string, string | null][] = [
    ['17-Jul-1996 02:44:25 -0700', '1996-07-17T09:44:25Z'],
    ['" 7-jul-1996 02:44:25 +0000"', '1996-07-07T02:44:25Z'],
    ['7-Jul-1996 02:44:25 +0000', null],
    ['17-Foo-1996 02:44:25 +0000', null],
    ['17-Jul-96 02:44:25 +0000', null],
    ['17-Jul-1996 02:44 +0000', null],
    ['17-Jul-1996 02:44:25', null],
    ['31-Jun-1996 02:44:25 +0000', null],
    ['17-Jul-1996 02:44:25 +2500', null],
    ['', null],
  ]
  for (const [text, expected] of cases) assert.equal(iso(parseImapDateTime(text)), expected, text)
})
