import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HeaderCollector, authservId, readRelayedHeader, readSubmittedHeader } from './letter-header.ts'

function collect(chunks: readonly Buffer[]): { header: string; rest: string } {
  const collector = new HeaderCollector()
  for (let i = 0; i < chunks.length; i++) {
    const found = collector.add(Buffer.from(chunks[i] as Buffer))
    if (found) {
      return {
        header: found.header.toString('latin1'),
        rest: Buffer.concat([found.rest, ...chunks.slice(i + 1)]).toString('latin1'),
      }
    }
  }
  return { header: collector.end().toString('latin1'), rest: '' }
}

const cases: [string, string][] = [
  ['A: 1\r\n\r\nbody', 'A: 1\r\n\r\n'],
  ['A: 1\n\nbody\r\n\r\nmore', 'A: 1\n\n'],
  ['A: 1\r\nB: 2\n\r\nx', 'A: 1\r\nB: 2\n\r\n'],
  ['\r\nbody', '\r\n'],
  ['\nbody', '\n'],
  ['A: 1\r\n', 'A: 1\r\n'],
  ['', ''],
  ['A: 1\r\n\n\r\nx', 'A: 1\r\n\n'],
]

test('the header ends at the first empty line, whatever the line ends', () => {
  for (const [letter, header] of cases) {
    assert.deepEqual(collect([Buffer.from(letter)]), { header, rest: letter.slice(header.length) })
  }
})

test('any cutting into chunks gives the same header and the same bytes', () => {
  const bytes = fc
    .array(fc.constantFrom('\r', '\n', 'A', ':', ' ', '\u00e9'), { maxLength: 30 })
    .map((it) => it.join(''))
  fc.assert(
    fc.property(bytes, fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 30 }), (letter, cuts) => {
      const whole = Buffer.from(letter, 'latin1')
      const chunks: Buffer[] = []
      let at = 0
      for (const length of cuts) {
        chunks.push(whole.subarray(at, at + length))
        at += length
      }
      chunks.push(whole.subarray(at))
      assert.deepEqual(collect(chunks.filter((it) => it.length > 0)), collect([whole]))
    }),
    { numRuns: 2000 },
  )
})

const isOurs = (name: string) => name === 'mx.test.com' || name === 'test.com'
const made = { messageId: 'new@h', nowMs: Date.UTC(2026, 0, 2) }

test('a submission gets the Message-ID and Date that it lacks, and loses Bcc with its folds; nothing else changes', () => {
  const header =
    'From: a@test.com\r\nBCC: x@test.com,\r\n y@test.com\r\nSubject: \xe9\r\nResent-Bcc: z@test.com\r\n\r\n'
  const read = readSubmittedHeader(Buffer.from(header, 'latin1'), made, isOurs)
  assert.equal(Buffer.concat(read.bytes).toString('latin1'), 'From: a@test.com\r\nSubject: \xe9\r\n\r\n')
  assert.match(read.added, /^Message-ID: <new@h>\r\nDate: .*2026.*\r\n$/)
  assert.equal(read.messageId, 'new@h')
  assert.deepEqual(read.authors, ['a@test.com'])
})

test('a complete submission keeps every byte', () => {
  const header = Buffer.from(
    'Message-ID: <m@x>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: "B" <B@Test.com>\r\n\r\n',
  )
  const read = readSubmittedHeader(header, made, isOurs)
  assert.equal(read.added, '')
  assert.deepEqual(Buffer.concat(read.bytes), header)
  assert.equal(read.messageId, 'm@x')
  assert.deepEqual(read.authors, ['b@test.com'])
})

test('a letter from elsewhere keeps Bcc and gets nothing', () => {
  const header = Buffer.from('Received: x\r\nReceived: y\r\nBcc: x@test.com\r\n\r\n')
  const read = readRelayedHeader(header, isOurs)
  assert.deepEqual([Buffer.concat(read.bytes), read.added, read.hops, read.messageId], [header, '', 2, ''])
})

// RFC 8601 §5
test('findings that claim to be ours are taken out; those of others, and every other byte, stay', () => {
  const forged = [
    'Authentication-Results: mx.test.com; dmarc=pass header.from=bank.example\r\n',
    'AUTHENTICATION-RESULTS:\r\n\tMX.Test.COM.;\r\n dkim=pass\r\n',
    'Authentication-Results: (a (nested\\) comment)) mx.test.com 1; spf=pass\r\n',
    'Authentication-Results : "mx.test.com"; spf=pass\r\n',
    'Authentication-Results: test.com; none\r\n',
    'Authentication-Results: mx.test.com(x); none\r\n',
  ]
  const kept = [
    'Received: x\r\n',
    'Authentication-Results: mx.elsewhere.example; spf=pass\r\n',
    'ARC-Authentication-Results: i=1; mx.test.com; spf=pass\r\n',
    'Authentication-Results:\r\n',
    'X-Note: Authentication-Results: mx.test.com; spf=pass\r\n',
    'Subject: \xe9\r\n',
  ]
  const mixed = kept.flatMap((field, at) => [forged[at] as string, field]).join('')
  for (const read of [
    readRelayedHeader(Buffer.from(`${mixed}\r\n`, 'latin1'), isOurs),
    readSubmittedHeader(Buffer.from(`${mixed}\r\n`, 'latin1'), made, isOurs),
  ]) {
    assert.equal(Buffer.concat(read.bytes).toString('latin1'), `${kept.join('')}\r\n`)
  }
})

test('an authserv-id is read from any text, and never throws', () => {
  for (const [value, expected] of [
    ['a.example; none', 'a.example'],
    ['(c) "a\\"b" 1;', 'a"b'],
    ['(never closed', ''],
    ['', ''],
  ] as const) {
    assert.equal(authservId(value), expected)
  }
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('(', ')', '"', '\\', 'a', ';', ' ') }),
      (text) => void authservId(text),
    ),
  )
})
