import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DsnRequest, composeDsn, parseDsn } from './delivery-status.ts'
import { decodePart, partText } from './readable-text.ts'
import { indexMessage } from './message-index.ts'

const request: DsnRequest = {
  kind: 'failure',
  reportingMta: 'bj.test.com',
  from: 'MAILER-DAEMON@test.com',
  to: 'aaa@test.com',
  originalEnvelopeId: 'env-1',
  arrivalMs: Date.UTC(2026, 0, 6, 2, 0, 0),
  nowMs: Date.UTC(2026, 0, 6, 2, 3, 4),
  recipients: [
    {
      finalRecipient: 'nobody@example.com',
      originalRecipient: 'alias@test.com',
      action: 'failed',
      status: '5.1.1',
      diagnosticCode: '550 5.1.1 no such user',
      remoteMta: 'mx.example.com',
      lastAttemptMs: Date.UTC(2026, 0, 6, 2, 3, 0),
    },
    {
      finalRecipient: 'slow@example.com',
      action: 'delayed',
      status: '4.4.1',
      diagnosticCode: '',
      willRetryUntilMs: Date.UTC(2026, 0, 11, 2, 0, 0),
    },
  ],
  originalHeader: Buffer.from('From: aaa@test.com\r\nMessage-ID: <orig@test.com>\r\nSubject: x\r\n\r\n'),
  messageId: 'dsn-1@test.com',
  boundary: 'report-1',
}

test('a notification is a multipart/report with three parts', () => {
  const bytes = composeDsn(request)
  const index = indexMessage(bytes)
  const { root } = index
  assert.equal(`${root.type}/${root.subtype}`, 'multipart/report')
  assert.equal(root.parameters['report-type'], 'delivery-status')
  assert.deepEqual(
    root.children.map((part) => `${part.type}/${part.subtype}`),
    ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
  )
  assert.deepEqual(index.envelope.to, [{ name: null, adl: null, mailbox: 'aaa', host: 'test.com' }])
  assert.equal(index.envelope.messageId, '<dsn-1@test.com>')
  assert.deepEqual(index.references, ['orig@test.com'])
  assert.equal(index.subject, 'Your message could not be delivered / 邮件未能送达')
  assert.equal(index.dateMs, request.nowMs)
  assert.equal(index.hasAttachment, false)
  const human = partText(bytes, root.children[0]!)
  assert.match(human, /nobody|alias@test\.com/)
  assert.match(human, /Reason, given by mx\.example\.com: 550 5\.1\.1 no such user/)
  assert.match(human, /您的邮件未能送达以下收件人/)
  assert.match(human, /Sun, 11 Jan 2026 02:00:00 \+0000/)
  assert.deepEqual(Buffer.from(decodePart(bytes, root.children[2]!)), request.originalHeader)
  assert.ok(Buffer.from(bytes).toString().includes('\r\nAuto-Submitted: auto-replied\r\n'))
})

test('what is composed reads back', () => {
  assert.deepEqual(parseDsn(composeDsn(request)), {
    reportingMta: 'bj.test.com',
    originalEnvelopeId: 'env-1',
    arrivalMs: request.arrivalMs,
    recipients: [
      {
        finalRecipient: 'nobody@example.com',
        originalRecipient: 'alias@test.com',
        action: 'failed',
        status: '5.1.1',
        diagnosticCode: '550 5.1.1 no such user',
        remoteMta: 'mx.example.com',
        lastAttemptMs: Date.UTC(2026, 0, 6, 2, 3, 0),
        willRetryUntilMs: null,
      },
      {
        finalRecipient: 'slow@example.com',
        originalRecipient: null,
        action: 'delayed',
        status: '4.4.1',
        diagnosticCode: null,
        remoteMta: null,
        lastAttemptMs: null,
        willRetryUntilMs: Date.UTC(2026, 0, 11, 2, 0, 0),
      },
    ],
  })
})

test('international addresses make the forms of RFC 6533', () => {
  const bytes = composeDsn({
    ...request,
    recipients: [{ finalRecipient: '张三@例子.测试', action: 'failed', status: '5.6.7', diagnosticCode: '550 没有' }],
    originalHeader: Buffer.from('Subject: 直接\r\n\r\n'),
  })
  const [, status, header] = indexMessage(bytes).root.children
  assert.equal(status?.subtype, 'global-delivery-status')
  assert.equal(header?.subtype, 'global-headers')
  assert.ok(Buffer.from(decodePart(bytes, status)).toString().includes('Final-Recipient: utf-8; 张三@例子.测试'))
  assert.equal(Buffer.from(decodePart(bytes, header)).toString(), 'Subject: 直接\r\n\r\n')
  assert.equal(parseDsn(bytes)?.recipients[0]?.finalRecipient, '张三@例子.测试')
  assert.equal(parseDsn(bytes)?.recipients[0]?.diagnosticCode, '550 没有')
  assert.ok(bytes.every((byte) => byte < 128))
})

test('hostile answers and headers break out of nothing', () => {
  const evil = 'x\r\n\r\n--report-1--\r\nX: y\r\n--report-1\r\n'
  const bytes = composeDsn({
    ...request,
    reportingMta: evil,
    originalEnvelopeId: evil,
    recipients: [
      {
        finalRecipient: evil,
        originalRecipient: evil,
        action: 'failed',
        status: evil,
        diagnosticCode: evil,
        remoteMta: evil,
      },
    ],
    originalHeader: Buffer.from(`Subject: ${'x'.repeat(5000)}\r\n--report-1\r\nA: b\nC\0: d\r\n`),
    messageId: evil,
  })
  const { root } = indexMessage(bytes)
  assert.equal(root.children.length, 3)
  assert.equal(parseDsn(bytes)?.recipients.length, 1)
  assert.equal(parseDsn(bytes)?.recipients[0]?.status, '5.0.0')
  assert.ok(
    Buffer.from(bytes)
      .toString('latin1')
      .split('\r\n')
      .every((line) => line.length <= 998 && !/[\r\n\0]/.test(line)),
  )
})

test('a boundary that the letter contains is lengthened', () => {
  const original = Buffer.from('Subject: x\r\nX-A: --report-1\r\n\r\n')
  const { root } = indexMessage(composeDsn({ ...request, originalHeader: original }))
  assert.equal(root.parameters['boundary'], 'report-1=')
  assert.equal(root.children.length, 3)
})

test('a huge header is returned in part, whole lines only', () => {
  const original = Buffer.from('X-Field: of some length that repeats\r\n'.repeat(10_000))
  const bytes = composeDsn({ ...request, originalHeader: original })
  const returned = decodePart(bytes, indexMessage(bytes).root.children[2]!)
  assert.ok(returned.length <= 64 * 1024 && returned.length > 60 * 1024)
  assert.ok(Buffer.from(returned).toString().trimEnd().endsWith('repeats'))
})

test('notifications of others are read, what is none is null', () => {
  const read = (status: string, type = 'message/delivery-status'): ReturnType<typeof parseDsn> =>
    parseDsn(
      Buffer.from(
        `Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: ${type}\r\n\r\n${status}\r\n--b--\r\n`,
      ),
    )
  const global = read(
    'Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: utf-8; \\x{5F20}@x\r\nAction: FAILED\r\nStatus: 5.2.2 (full)\r\n',
  )
  assert.equal(global?.recipients[0]?.finalRecipient, '张@x')
  assert.equal(global?.recipients[0]?.action, 'failed')
  assert.equal(global?.recipients[0]?.status, '5.2.2')
  const joined = read('Reporting-MTA: dns; mx\r\nFinal-Recipient: rfc822;a@b\r\nAction: failed\r\n')
  assert.equal(joined?.recipients[0]?.finalRecipient, 'a@b')
  assert.equal(read('', 'text/plain'), null)
  assert.equal(parseDsn(Buffer.from('Subject: x\r\n\r\ny')), null)
  assert.equal(parseDsn(Buffer.alloc(0)), null)
})
