import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexMessage } from './message-index.ts'
import { allText, decodePart, readableText } from './readable-text.ts'
import type { MimePart } from './types.ts'
import { mailLimits } from './types.ts'

const bytes = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'))
const header = (message: Buffer, part: MimePart): string => message.toString('latin1', part.headerStart, part.headerEnd)
const body = (message: Buffer, part: MimePart): string => message.toString('latin1', part.bodyStart, part.bodyEnd)

test('the empty message is an empty text', () => {
  const index = indexMessage(new Uint8Array(0))
  assert.deepEqual(index, {
    v: 1,
    envelope: {
      date: null,
      subject: null,
      from: [],
      sender: [],
      replyTo: [],
      to: [],
      cc: [],
      bcc: [],
      inReplyTo: null,
      messageId: null,
    },
    root: {
      type: 'text',
      subtype: 'plain',
      parameters: {},
      disposition: null,
      id: null,
      description: null,
      encoding: '7bit',
      language: null,
      location: null,
      md5: null,
      headerStart: 0,
      headerEnd: 0,
      bodyStart: 0,
      bodyEnd: 0,
      lines: 0,
      children: [],
      envelope: null,
    },
    subject: '',
    preview: '',
    hasAttachment: false,
    references: [],
    dateMs: null,
  })
})

test('a part is what stands between its delimiters, the line break before them left out', () => {
  const message = bytes(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    'pre',
    '--b',
    'A: 1',
    '',
    'one',
    '',
    '--b',
    '',
    '--b--',
    'epi',
    '',
  )
  const { root } = indexMessage(message)
  const [one, two] = root.children
  assert.equal(root.children.length, 2)
  assert.equal(header(message, one!), 'A: 1\r\n\r\n')
  assert.equal(body(message, one!), 'one\r\n')
  assert.equal(header(message, two!), '\r\n')
  assert.equal(body(message, two!), '')
  assert.equal(body(message, root).startsWith('pre\r\n--b'), true)
  assert.equal(root.bodyEnd, message.length)
})

test('line ends may be CRLF, LF or mixed', () => {
  const lf = Buffer.from(
    bytes('Content-Type: multipart/mixed; boundary=b', '', '--b', 'A: 1', '', 'one', '', '--b--')
      .toString()
      .replaceAll('\r\n', '\n'),
  )
  const [part] = indexMessage(lf).root.children
  assert.equal(header(lf, part!), 'A: 1\n\n')
  assert.equal(body(lf, part!), 'one\n')
  const mixed = Buffer.from('Content-Type: multipart/mixed; boundary=b\n\r\n--b\r\n\none\r\n--b--')
  assert.equal(body(mixed, indexMessage(mixed).root.children[0]!), 'one')
})

test('a delimiter of an outer multipart ends all that are inside', () => {
  const message = bytes(
    'Content-Type: multipart/mixed; boundary=o',
    '',
    '--o',
    'Content-Type: multipart/mixed; boundary=i',
    '',
    '--i',
    'Content-Type: message/rfc822',
    '',
    'Subject: s',
    '',
    'deep',
    '--o',
    '',
    'outer',
    '--o--',
  )
  const [inner, outer] = indexMessage(message).root.children
  assert.equal(body(message, outer!), 'outer')
  assert.equal(body(message, inner!), '--i\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ndeep')
  const enclosed = inner!.children[0]!
  assert.equal(body(message, enclosed), 'Subject: s\r\n\r\ndeep')
  assert.equal(enclosed.envelope?.subject, 's')
  assert.equal(body(message, enclosed.children[0]!), 'deep')
  assert.equal(enclosed.lines, 3)
})

test('lines are counted in texts and enclosed messages', () => {
  const cases: [string, number][] = [
    ['', 0],
    ['a', 1],
    ['a\r\n', 1],
    ['a\r\nb', 2],
    ['\r\n\r\n', 2],
    ['a\nb\n', 2],
    ['\r', 1],
  ]
  for (const [text, lines] of cases) {
    assert.equal(indexMessage(Buffer.from(`A: b\r\n\r\n${text}`)).root.lines, lines, JSON.stringify(text))
  }
  const long = Buffer.from(`A: b\n\n${'x\n'.repeat(10_000)}${`${'y'.repeat(200)}\n`.repeat(500)}`)
  assert.equal(indexMessage(long).root.lines, 10_500)
})

test('sender and reply-to are from where they are not said (RFC 9051 §7.5.2)', () => {
  const index = (text: string): ReturnType<typeof indexMessage> => indexMessage(Buffer.from(text))
  const plain = index('From: a@b\r\n\r\n').envelope
  assert.deepEqual(plain.sender, plain.from)
  assert.deepEqual(plain.replyTo, plain.from)
  const empty = index('From: a@b\r\nSender:\r\nReply-To: ,\r\n\r\n').envelope
  assert.deepEqual(empty.sender, empty.from)
  assert.deepEqual(empty.replyTo, empty.from)
  const own = index('From: a@b\r\nSender: s@b\r\nReply-To: r@b, q@b\r\n\r\n').envelope
  assert.equal(own.sender[0]?.mailbox, 's')
  assert.equal(own.replyTo.length, 2)
})

test('the envelope keeps texts raw, the index decodes the subject', () => {
  const message = Buffer.from(
    'Subject: =?gb2312?B?xOO6ww==?=\r\n world\r\nDate: Tue, 6 Jan 2026 10:00:00 +0800 (CST)\r\nMessage-ID: <a@b>\r\nIn-Reply-To: <c@d> (x)\r\n\r\n',
  )
  const index = indexMessage(message)
  assert.equal(index.envelope.subject, '=?gb2312?B?xOO6ww==?= world')
  assert.equal(index.subject, '你好 world')
  assert.equal(index.envelope.date, 'Tue, 6 Jan 2026 10:00:00 +0800 (CST)')
  assert.equal(index.dateMs, Date.UTC(2026, 0, 6, 2))
  assert.equal(index.envelope.messageId, '<a@b>')
  assert.equal(index.envelope.inReplyTo, '<c@d> (x)')
  const raw = indexMessage(Buffer.from('Subject: 你好\r\n\r\n'))
  assert.equal(raw.envelope.subject, Buffer.from('你好').toString('latin1'))
  assert.equal(raw.subject, '你好')
})

test('references are the oldest first, each once, the newest kept where there are too many', () => {
  const few = indexMessage(Buffer.from('References: <1@x> <2@x>\r\n <1@x>\r\nIn-Reply-To: <3@x>\r\n\r\n'))
  assert.deepEqual(few.references, ['1@x', '2@x', '3@x'])
  assert.equal(few.inReplyToFrom, 2)
  const ids = Array.from({ length: 1500 }, (_, i) => `<${i}@x>`)
  assert.equal(indexMessage(Buffer.from('References: <1@x>\r\nIn-Reply-To: <2@x>\r\n\r\n')).inReplyToFrom, 1)
  assert.equal(indexMessage(Buffer.from('In-Reply-To: <2@x> <3@x>\r\n\r\n')).inReplyToFrom, 0)
  const many = indexMessage(Buffer.from(`References: ${ids.join(' ')}\r\n\r\n`)).references
  assert.equal(many.length, mailLimits.referencesMax)
  assert.equal(many[0], '0@x')
  assert.equal(many.at(-1), '1499@x')
})

test('content fields', () => {
  const { root } = indexMessage(
    bytes(
      'content-type: Text/HTML; Charset=UTF-8; name="a b"',
      'Content-Transfer-Encoding: (c) Quoted-Printable',
      "Content-Disposition: ATTACHMENT; filename*=utf-8''%E4%B8%AD.html",
      'Content-ID: <id@x>',
      'Content-Description: says =?utf-8?Q?x?=',
      'Content-Language: en, zh-CN (c)',
      'Content-Location: http://x/',
      'Content-MD5: abc=',
      '',
      '',
    ),
  )
  assert.deepEqual([root.type, root.subtype, root.parameters], ['text', 'html', { charset: 'UTF-8', name: 'a b' }])
  assert.equal(root.encoding, 'quoted-printable')
  assert.deepEqual(root.disposition, { type: 'attachment', parameters: { filename: '中.html' } })
  assert.deepEqual([root.id, root.description], ['<id@x>', 'says =?utf-8?Q?x?='])
  assert.deepEqual([root.language, root.location, root.md5], [['en', 'zh-CN'], 'http://x/', 'abc='])
})

test('parts beyond the depth limit are opaque', () => {
  let message = 'leaf'
  const depth = mailLimits.mimeDepthMax + 3
  for (let level = depth; level > 0; level -= 1) {
    message = `Content-Type: multipart/mixed; boundary=b${level}x\r\n\r\n--b${level}x\r\n${message}\r\n--b${level}x--`
  }
  let part = indexMessage(Buffer.from(message)).root
  let levels = 0
  while (part.children[0] !== undefined) {
    part = part.children[0]
    levels += 1
  }
  assert.equal(levels, mailLimits.mimeDepthMax)
  assert.equal(`${part.type}/${part.subtype}`, 'application/octet-stream')
  assert.ok(part.bodyEnd > part.bodyStart)
})

test('parts beyond their number are left out, those after the multipart are not', () => {
  const message = Buffer.from(
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(mailLimits.mimePartsMax + 10)}--b--\r\n`,
  )
  const { root } = indexMessage(message)
  assert.equal(root.children.length, mailLimits.mimePartsMax - 1)
  assert.ok(root.children.every((child) => body(message, child) === 'x'))
})

test('readable text is the plain one, or made of the HTML, without attachments', () => {
  const read = (...lines: string[]): string => {
    const message = bytes(...lines)
    return readableText(message, indexMessage(message))
  }
  assert.equal(read('Content-Type: text/html', '', '<p>a &amp; b</p>'), 'a & b')
  const alternative = [
    'Content-Type: multipart/alternative; boundary=b',
    '',
    '--b',
    '',
    'plain',
    '--b',
    'Content-Type: text/html',
    '',
    '<p>rich</p>',
    '--b--',
  ]
  assert.equal(read(...alternative), 'plain')
  assert.equal(read(...alternative.map((line) => (line === 'plain' ? '' : line))), 'rich')
  const mixed = [
    'Content-Type: multipart/mixed; boundary=m',
    '',
    '--m',
    ...alternative,
    '--m',
    'Content-Disposition: attachment',
    '',
    'attached',
    '--m',
    '',
    'footer',
    '--m--',
  ]
  assert.equal(read(...mixed), 'plain\nfooter')
  const message = bytes(...mixed)
  assert.equal(allText(message, indexMessage(message)), 'plain\nrich\nattached\nfooter')
})

test('decodePart undoes the transfer encoding', () => {
  const message = Buffer.from('Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n')
  assert.deepEqual(Buffer.from(decodePart(message, indexMessage(message).root)), Buffer.from([0, 1, 2]))
})

test('previews are one line of at most 256 characters, never half a character', () => {
  const preview = (text: string): string =>
    indexMessage(Buffer.from(`A: b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}`)).preview
  assert.equal(preview('  a\r\n\r\n b\t\tc  \r\n'), 'a b c')
  assert.equal(preview('中'.repeat(5000)), '中'.repeat(256))
  assert.equal(preview('😀'.repeat(5000)).length, 256)
  assert.equal(preview(`a${'😀'.repeat(5000)}`).length, 255)
  assert.equal(preview(`${' '.repeat(2000)}late`), 'late')
  for (let pad = 0; pad < 4; pad += 1)
    assert.ok(!preview(`${'a '.repeat(60)}${'b'.repeat(pad)}${' '.repeat(3960)}${'中'.repeat(90)}`).includes('\ufffd'))
})

test('attachments are what a person would call so', () => {
  const has = (...lines: string[]): boolean => indexMessage(bytes(...lines)).hasAttachment
  const mixed = (...part: string[]): boolean =>
    has('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'text', '--b', ...part, '', 'x', '--b--')
  assert.equal(has('', 'text'), false)
  assert.equal(mixed('Content-Type: application/pdf'), true)
  assert.equal(mixed('Content-Type: text/plain'), false)
  assert.equal(mixed('Content-Type: text/plain; name=a.txt'), true)
  assert.equal(mixed('Content-Disposition: attachment'), true)
  assert.equal(mixed('Content-Type: message/rfc822'), true)
  assert.equal(
    mixed('Content-Type: application/pgp-signature; name=signature.asc', 'Content-Disposition: attachment'),
    false,
  )
  assert.equal(mixed('Content-Type: image/png', 'Content-ID: <a@b>', 'Content-Disposition: inline'), false)
  assert.equal(has('Content-Type: image/png', '', 'x'), true)
})
