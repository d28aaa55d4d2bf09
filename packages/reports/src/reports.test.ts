import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { indexMessage, decodePart } from '@skein/mail'
import { silentLogger } from '@skein/runtime'
import { VirtualClock, createMemoryDns, createMemoryReportStore } from '@skein/testkit'
import fc from 'fast-check'
import { dmarcDestinations, parseDestinations, tlsDestinations } from './destinations.ts'
import { readDmarcReport, writeDmarcReport } from './dmarc-report.ts'
import { reportLimits } from './limits.ts'
import { unpacked } from './packed.ts'
import type { DmarcEvaluation, TlsSessionResult } from './ports.ts'
import { recogniseReports } from './recognise.ts'
import { createReports } from './reports.ts'
import { readTlsReport, writeTlsReport } from './tls-report.ts'

const hourMs = 3600_000
const startMs = Date.parse('2026-11-29T22:30:00Z')

const session: TlsSessionResult = {
  atMs: startMs,
  policyDomain: 'there.example',
  policy: { type: 'sts', strings: ['version: STSv1', 'mode: enforce'], mxPatterns: ['*.there.example'] },
  receivingMx: 'mx.there.example',
  receivingIp: '192.0.2.2',
  sendingIp: '192.0.2.1',
  result: 'success',
  failureReason: '',
}

const evaluation: DmarcEvaluation = {
  atMs: startMs,
  sourceIp: '198.51.100.7',
  headerFrom: 'there.example',
  envelopeFrom: 'bounce.there.example',
  envelopeTo: 'test.com',
  policyDomain: 'there.example',
  record: 'v=DMARC1; p=reject; t=y; rua=mailto:dmarc@there.example',
  disposition: 'none',
  dkimAligned: false,
  spfAligned: false,
  dkim: [{ domain: 'other.example', selector: 's', result: 'fail', humanResult: 'body <hash> & more' }],
  spf: { domain: 'bounce.there.example', scope: 'mfrom', result: 'softfail' },
  overrideReason: 'policy_test_mode',
  overrideComment: '',
}

function setup(zone: Record<string, string[]>, nowMs = startMs) {
  const clock = new VirtualClock(nowMs)
  const store = createMemoryReportStore()
  const mails: { to: string; bytes: Uint8Array; messageId: string }[] = []
  const posts: { url: string; body: Uint8Array; type: string }[] = []
  const trouble = { mail: false }
  const sender = {
    async mail(letter: (typeof mails)[number]) {
      if (trouble.mail) throw new Error('the disk is full')
      mails.push(letter)
    },
    async post(url: string, body: Uint8Array, type: string) {
      posts.push({ url, body, type })
    },
  }
  const dns = createMemoryDns(zone)
  const begin = () =>
    createReports(
      { store, sender, dns, clock, logger: silentLogger },
      { send: true, node: 'n1', hostName: 'bj.test.com', organisation: () => 'test.com' },
    )
  return { clock, store, mails, posts, trouble, begin }
}

test('a day is told the next day: counted rows, one letter for each who asked, then forgotten', async () => {
  const { clock, mails, posts, begin } = setup({
    'TXT _smtp._tls.there.example': ['v=TLSRPTv1; rua=mailto:tls@there.example,https://there.example/v1'],
    'TXT there.example': [],
  })
  const reports = begin()
  await reports.start()
  for (let i = 0; i < 3; i++) reports.tls.note(session)
  for (let i = 0; i < 2; i++) {
    reports.tls.note({ ...session, result: 'certificate-expired', failureReason: 'two days ago' })
    reports.dmarc.note(evaluation)
  }
  reports.dmarc.note({ ...evaluation, spfAligned: true, overrideReason: '' })
  await clock.advance(hourMs)
  assert.equal(mails.length, 0, 'the day is not over')
  await clock.advance(8 * hourMs)
  assert.deepEqual(mails.map(({ to }) => to).sort(), ['dmarc@there.example', 'tls@there.example'])
  assert.equal(posts.length, 1)
  assert.equal(posts[0]?.type, 'application/tlsrpt+gzip')

  const tls = recogniseReports(
    mails.find(({ to }) => to.startsWith('tls'))?.bytes as Uint8Array,
    { from: '', receivedMs: 0 },
    reportLimits,
  )
  assert.deepEqual(tls.damage, [])
  const [report] = tls.reports
  assert.ok(report?.kind === 'tls')
  assert.deepEqual(
    [report.domain, report.sessions, report.failing, report.organisation],
    ['there.example', 5, 2, 'test.com'],
  )
  assert.deepEqual(report.rows[0]?.details, [
    {
      type: 'certificate-expired',
      receivingMx: 'mx.there.example',
      sendingIp: '192.0.2.1',
      sessions: 2,
      reason: 'two days ago',
    },
  ])
  assert.equal(report.beginMs, Date.parse('2026-11-29T00:00:00Z'))
  assert.deepEqual(readTlsReport(gunzipSync(posts[0]?.body ?? '').toString(), reportLimits).sessions, 5)

  const letter = mails.find(({ to }) => to.startsWith('dmarc'))?.bytes as Uint8Array
  const index = indexMessage(letter)
  assert.match(
    index.subject,
    /^Report Domain: there\.example Submitter: test\.com Report-ID: <2026-11-29\.[0-9a-f]{20}@test\.com>$/,
  )
  const attachment = index.root.children[1]
  assert.match(
    attachment?.disposition?.parameters['filename'] ?? '',
    /^test\.com!there\.example!1795910400!1795996799!\w+\.xml\.gz$/,
  )
  const [dmarc] = recogniseReports(letter, { from: '', receivedMs: 0 }, reportLimits).reports
  assert.ok(dmarc?.kind === 'dmarc')
  assert.deepEqual([dmarc.letters, dmarc.failing], [3, 2])
  assert.equal(dmarc.policy['testing'], 'y')
  assert.deepEqual(
    dmarc.rows.map(({ disposition, count }) => [disposition, count]),
    [
      ['none', 2],
      ['pass', 1],
    ],
  )
  assert.deepEqual(dmarc.rows[0]?.reasons, ['policy_test_mode'])
  assert.ok(decodePart(letter, attachment as never).length > 100)

  await clock.advance(48 * hourMs)
  assert.equal(mails.length, 2, 'nothing is told twice')
  assert.deepEqual(await reports.collected(10), [])
  await reports.stop()
})

test('what is collected outlives a restart; what cannot be sent is tried again', async () => {
  const { clock, mails, trouble, begin } = setup({ 'TXT there.example': [] })
  const first = begin()
  await first.start()
  first.dmarc.note(evaluation)
  await first.stop()
  const reports = begin()
  await reports.start()
  reports.dmarc.note({ ...evaluation, atMs: clock.nowMs() })
  trouble.mail = true
  await clock.advance(10 * hourMs)
  assert.equal(mails.length, 0)
  trouble.mail = false
  await clock.advance(8 * hourMs)
  assert.equal(mails.length, 1)
  const [report] = recogniseReports(mails[0]?.bytes as Uint8Array, { from: '', receivedMs: 0 }, reportLimits).reports
  assert.ok(report?.kind === 'dmarc' && report.letters === 2)
  await reports.stop()
})

test('days that are too old, and domains that ask for nothing, are dropped', async () => {
  const { clock, mails, begin, store } = setup({ 'TXT there.example': [] })
  const reports = begin()
  await store.putDays([
    { kind: 'dmarc', day: '2026-11-20', domain: 'there.example', record: evaluation.record, rows: [] },
    { kind: 'tls', day: '2026-11-28', domain: 'there.example', policies: [] },
  ])
  assert.deepEqual(await reports.sendNow(), { sent: 0, dropped: 2, failed: 0 })
  assert.equal(mails.length, 0)
  await clock.advance(0)
  assert.deepEqual(await reports.collected(10), [])
})

test('reports go to another domain only where it agrees', async () => {
  const record = 'v=DMARC1; p=none; rua=mailto:a@there.example,mailto:b@collects.example!5m,mailto:c@victim.example'
  const dns = createMemoryDns({
    'TXT there.example._report._dmarc.collects.example': ['v=DMARC1'],
    'TXT there.example._report._dmarc.victim.example': ['hello'],
  })
  const found = await dmarcDestinations('there.example', record, dns, 4)
  assert.deepEqual(
    found.map(({ to, bytesMax }) => [to, bytesMax]),
    [
      ['a@there.example', Infinity],
      ['b@collects.example', 5 * 1024 ** 2],
    ],
  )
  const two = createMemoryDns({
    'TXT _smtp._tls.x.example': ['v=TLSRPTv1;rua=mailto:a@x.example', 'v=TLSRPTv1;rua=mailto:b@x.example'],
  })
  assert.deepEqual(await tlsDestinations('x.example', two, 4), [])
})

test('destinations: what is no address or URL is left out', () => {
  const table: [string, string[]][] = [
    ['mailto:a@b.example', ['a@b.example']],
    ['MAILTO:a@b.example!10M , mailto:c%2Bd@b.example', ['a@b.example', 'c+d@b.example']],
    ['https://b.example/x', ['https://b.example/x']],
    ['http://b.example/x, ftp://b', []],
    ['mailto:a@b.example%0d%0aBcc:x@y.example', []],
    ['mailto:%zz@b.example, mailto:, mailto:a@-b', []],
    ['', []],
  ]
  for (const [text, expected] of table) {
    assert.deepEqual(
      parseDestinations(text, 4).map(({ to }) => to),
      expected,
      text,
    )
  }
})

test('what was written is read again, whatever it says', () => {
  const word = fc.string({ unit: 'binary', maxLength: 30 })
  fc.assert(
    fc.property(word, word, fc.nat(1000), (domain, text, count) => {
      const head = { organisation: text, email: 'a@b', reportId: 'id', beginMs: 0, endMs: 1000 }
      const day = {
        kind: 'dmarc' as const,
        day: '2026-11-29',
        domain: `x${domain}.example`,
        record: `v=DMARC1; p=${text}`,
        rows: [{ ...evaluation, headerFrom: text, count }],
      }
      const report = readDmarcReport(writeDmarcReport(head, day), reportLimits)
      assert.equal(report.letters, count)
      const tls = {
        kind: 'tls' as const,
        day: '2026-11-29',
        domain: `x${domain}.example`,
        policies: [{ policy: session.policy, successes: count, failures: [] }],
      }
      assert.equal(readTlsReport(writeTlsReport(head, tls), reportLimits).sessions, count)
    }),
  )
})

const letterWith = (type: string, body: Uint8Array, name = 'report.xml.gz') =>
  Buffer.from(
    [
      'From: <noreply@there.example>',
      'MIME-Version: 1.0',
      `Content-Type: ${type}; name="${name}"`,
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(body)
        .toString('base64')
        .replace(/.{1,76}/g, '$&\r\n'),
    ].join('\r\n'),
  )

const old7489 = `<?xml version="1.0" encoding="UTF-8" ?>
<feedback><report_metadata><org_name>google.com</org_name><email>noreply-dmarc-support@google.com</email>
<report_id>123</report_id><date_range><begin>1795910400</begin><end>1795996799</end></date_range></report_metadata>
<policy_published><domain>Test.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
<record><row><source_ip>192.0.2.9</source_ip><count>12</count><policy_evaluated><disposition>none</disposition>
<dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>test.com</header_from></identifiers>
<auth_results><dkim><domain>test.com</domain><result>pass</result><selector>bj-rsa</selector></dkim>
<spf><domain>test.com</domain><result>fail</result></spf></auth_results></record></feedback>`

/** The same, as Python's zipfile packs it. */
const zipped = Buffer.from(
  [
    'UEsDBBQAAAAIAIFMfl0KnAoJjQEAADIDAAAbAAAAZ29vZ2xlLmNvbSF0ZXN0LmNvbSExITIueG1shVJNc9wgDL37V+zsfY29/Ug9o5Ce+gvSs4',
    'cF2UuCgQGcNv++wti7bnroxUjP6Ok9CXj6PZnDG4aonX08tnVzPKCVTmk7Ph5/Pv84fTsenngFA6K6CPnKIaB3IfUTJqFEEhxcGHsrJuSjc6PB',
    'WroJ2A0EnIQ23DqqM+8nNYkgT3H2meT7vqLcqzZ+rXh7/gTsngK1wz4IOxLrBUdtefvQfena5nPTACsIoFUF7r4+dB3RUg5sX8o+OqjAO6Ple+',
    '/ni9HxirmXIzmWP2NMRd4KgFCveuIBWAlARD8saT7Bk1GLwDyHuMUUgJeJt1llDuj7sV+2LV2gxsH9olo3B4m99rztznVTn2tycgdButkS4RlY',
    'iTYD+CbMTFazAR29izrRXlcde6SCRb0XMdKPxUjWP9AKsuDhrnFHyRZtWqFNetD0ZjhcUSgM/RDcxNNtVnsU2L6gAjGnax8wziZRfWm9zjb9M+',
    'xyb5W5JhDRoEwu8MvLKURBejdgtVItXv7LWsxurKvrv+WxbSvs9v7/AFBLAQIUAxQAAAAIAIFMfl0KnAoJjQEAADIDAAAbAAAAAAAAAAAAAACA',
    'AQAAAABnb29nbGUuY29tIXRlc3QuY29tITEhMi54bWxQSwUGAAAAAAEAAQBJAAAAxgEAAAAA',
  ].join(''),
  'base64',
)

test('reports of others: gzip, zip, plain, of the older standard', () => {
  for (const [type, bytes, name] of [
    ['application/gzip', gzipSync(old7489), 'r.xml.gz'],
    ['application/x-gzip', gzipSync(old7489), 'r.xml.gz'],
    ['application/octet-stream', gzipSync(old7489), 'r.xml.gz'],
    ['application/zip', zipped, 'google.com!test.com!1!2.zip'],
    ['text/xml', Buffer.from(old7489), 'r.xml'],
  ] as const) {
    const { reports, damage } = recogniseReports(
      letterWith(type, bytes, name),
      { from: '', receivedMs: 0 },
      reportLimits,
    )
    assert.deepEqual(damage, [], type)
    const [report] = reports
    assert.ok(report?.kind === 'dmarc', type)
    assert.deepEqual(
      [report.domain, report.letters, report.failing, report.organisation],
      ['test.com', 12, 0, 'google.com'],
    )
    assert.deepEqual(report.rows[0]?.dkim, [{ domain: 'test.com', selector: 'bj-rsa', result: 'pass' }])
  }
  const plain = letterWith('application/pdf', Buffer.from('%PDF'), 'x.pdf')
  assert.deepEqual(recogniseReports(plain, { from: '', receivedMs: 0 }, reportLimits), { reports: [], damage: [] })
})

test('hostile reports: bombs, entities, depth, garbage are damage and nothing else', () => {
  const deep = `${'<a>'.repeat(50)}${'</a>'.repeat(50)}`
  const bomb = gzipSync(Buffer.alloc(reportLimits.reportUnpackedBytesMax + 1))
  const entities = '<!DOCTYPE a [<!ENTITY x "yyyyyyyyyy">]><feedback>&x;</feedback>'
  const inputs = [
    gzipSync(deep),
    bomb,
    gzipSync(entities),
    gzipSync('<feedback>&nbsp;</feedback>'),
    gzipSync('{"policies":[]}'),
  ]
  for (const body of [...inputs, Buffer.from('PK\x05\x06'), Buffer.from([0x1f, 0x8b, 1, 2]), Buffer.from('')]) {
    const found = recogniseReports(letterWith('application/gzip', body), { from: '', receivedMs: 0 }, reportLimits)
    assert.equal(found.reports.length, 0)
    assert.equal(found.damage.length, 1)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, zip) => {
      const body = zip
        ? Buffer.concat([Buffer.from('PK'), bytes, Buffer.from([0x50, 0x4b, 5, 6]), Buffer.alloc(18, 1)])
        : bytes
      try {
        unpacked(body, 1000)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'report-damaged')
      }
      recogniseReports(letterWith('application/zip', body, 'a.zip'), { from: '', receivedMs: 0 }, reportLimits)
    }),
  )
})

test('feedback: what is said of which letter', async () => {
  const letter = [
    'From: <fbl@there.example>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'Somebody complained.',
    '--b',
    'Content-Type: message/feedback-report',
    '',
    'Feedback-Type: abuse',
    'User-Agent: X/1',
    'Version: 1',
    'Original-Mail-From: <aaa@test.com>',
    'Original-Rcpt-To: <who@there.example>',
    'Arrival-Date: Sun, 29 Nov 2026 10:00:00 +0000',
    'Source-IP: 192.0.2.1',
    'Reported-Domain: test.com',
    '',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'From: <aaa@test.com>',
    'Message-ID: <abc@test.com>',
    'Subject: =?utf-8?B?5L2g5aW9?=',
    '',
    'Hello',
    '--b--',
    '',
  ].join('\r\n')
  const { begin } = setup({})
  const reports = begin()
  const from = 'fbl@there.example'
  const [found] = await reports.read({
    id: '01A',
    from,
    receivedMs: startMs,
    vouchedBy: ['there.example'],
    bytes: Buffer.from(letter),
  })
  assert.ok(found?.kind === 'abuse')
  assert.deepEqual(
    [found.feedbackType, found.originalMessageId, found.subject, found.originalTo, found.sourceIp, found.organisation],
    ['abuse', 'abc@test.com', '你好', ['who@there.example'], '192.0.2.1', 'there.example'],
  )
  assert.equal((await reports.received({ kind: 'abuse', countMax: 10 })).length, 1)
  assert.equal((await reports.received({ kind: 'tls', countMax: 10 })).length, 0)
  assert.equal((await reports.get('01A'))?.domain, 'test.com')
})
