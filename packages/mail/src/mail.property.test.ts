// Properties over random and mutated bytes: nothing throws, offsets nest, what is written reads back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type EnvelopeAddress,
  type MimePart,
  allText,
  canonicalAddress,
  canonicalDomain,
  composeDsn,
  countReceived,
  decodePart,
  decodeText,
  decodeWords,
  decodedFieldValue,
  encodeWords,
  fieldValue,
  findMessageId,
  formatDate,
  formatField,
  formatMailbox,
  formatReceived,
  headerEnd,
  imapInternalDate,
  indexMessage,
  parseAddressList,
  parseDate,
  parseDsn,
  parseHeaderFields,
  parseImapDateTime,
  parseParameterised,
  readableText,
  unfold,
} from './index.ts'
import { assertSound } from '../test/index-invariants.ts'
import { readStructure } from '../test/reference-structure.ts'
import { decodeTransfer, encodeBase64Lines, encodeQuotedPrintable } from './transfer-encoding.ts'

const runs = { numRuns: 500 }

/** Text with many of the characters that mean something in mail. */
const mailText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200, size: 'max' }),
  fc.string({
    unit: fc.constantFrom(...Array.from('"\\()<>@,;:.[]=?_%*\'+- \t\r\n\0abQB19\u00e9\u4e2d')),
    maxLength: 200,
    size: 'max',
  }),
  fc
    .array(
      fc.constantFrom(
        '=?utf-8?B?',
        '=?gb2312?Q?',
        '5L2g',
        '=C4=E3',
        '?=',
        ' ',
        ',',
        '<a@b>',
        '"x y"',
        '(c)',
        ':',
        ';',
        '*0*=',
        "''%E4",
        'GMT',
        '12:00:00',
        '6 Jan 2026',
      ),
      { maxLength: 30, size: 'max' },
    )
    .map((pieces) => pieces.join('')),
)

const mimeLine = fc.constantFrom(
  '--a',
  '--a--',
  '--b',
  '--b--',
  '--c',
  '--c--',
  '--ab',
  '--a ',
  '--a-- \t',
  '--',
  '-',
  '',
  '',
  '',
  'text',
  ' ; folded=1',
  'Subject: s',
  'Content-Type: multipart/mixed; boundary=b',
  'Content-Type: multipart/alternative; boundary=c',
  'Content-Type: multipart/digest; boundary=ab',
  'Content-Type: message/rfc822',
  'Content-Type: text/html',
  'Content-Type: multipart/mixed',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename=x',
  'From: a@b',
  '\0',
)
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r')
const mimeBytes = (end: fc.Arbitrary<string>): fc.Arbitrary<Buffer> =>
  fc.tuple(fc.array(fc.tuple(mimeLine, end), { maxLength: 60, size: 'max' }), fc.boolean()).map(([lines, cut]) => {
    const text = `Content-Type: multipart/mixed; boundary=a\r\n\r\n${lines.map(([line, ending]) => line + ending).join('')}`
    return Buffer.from(cut ? text.slice(0, -1) : text, 'latin1')
  })

test('no bytes make the readers throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 2000, size: 'max' }),
        mimeBytes(lineEnd),
        mailText.map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        const index = indexMessage(bytes)
        assertSound(bytes, index)
        readableText(bytes, index)
        allText(bytes, index)
        parseDsn(bytes)
        countReceived(bytes)
        findMessageId(bytes)
        assert.ok(headerEnd(bytes) <= bytes.length)
        for (const field of parseHeaderFields(bytes)) {
          assert.ok(field.start < field.valueStart && field.valueStart <= field.end && field.end <= bytes.length)
          assert.doesNotMatch(fieldValue(bytes, field), /[\r\n\0]/)
          assert.doesNotMatch(decodedFieldValue(bytes, field), /[\r\n\0]/)
        }
      },
    ),
    runs,
  )
})

test('no text makes the readers throw', () => {
  fc.assert(
    fc.property(mailText, (text) => {
      parseAddressList(text)
      parseParameterised(text)
      decodeWords(text)
      canonicalDomain(text)
      parseDate(text)
      parseImapDateTime(text)
      assert.doesNotMatch(unfold(text), /[\r\n\0]/)
    }),
    runs,
  )
})

test('no charset makes decoding throw', () => {
  const charset = fc.oneof(
    fc.constantFrom(
      'utf-8',
      'gb2312',
      'gb18030',
      'big5',
      'big5-hkscs',
      'iso-2022-jp',
      'utf-7',
      'utf-16',
      'utf-32',
      'euc-kr',
      'cp437',
      'hz-gb-2312',
      'iso-2022-kr',
    ),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300, size: 'max' }), fc.option(charset), (bytes, name) => {
      assert.equal(typeof decodeText(bytes, name), 'string')
    }),
    runs,
  )
})

test('the one-pass index gives the same structure as a plain reading, line by line', () => {
  const flat = (part: MimePart): unknown => ({
    type: `${part.type}/${part.subtype}`,
    header: [part.headerStart, part.headerEnd],
    body: [part.bodyStart, part.bodyEnd],
    children: part.children.map(flat),
  })
  let compared = 0
  fc.assert(
    fc.property(mimeBytes(fc.constantFrom('\r\n', '\n')), (bytes) => {
      const expected = readStructure(bytes)
      // A multipart inside one with the same boundary: the plain reading cannot tell them apart.
      fc.pre(expected !== null)
      compared += 1
      assert.deepEqual(flat(indexMessage(bytes).root), expected)
    }),
    { numRuns: 2000 },
  )
  assert.ok(compared >= 1000)
})

test('canonical addresses are their own canonical form, and short enough for SMTP', () => {
  const local = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 70, size: 'max' }),
    fc.string({ unit: fc.constantFrom(...Array.from('aB.+"\\ @é中İſK')), maxLength: 12, size: 'max' }),
  )
  const domain = fc.oneof(
    fc.domain(),
    fc.constantFrom('例子.测试', 'Ünïcode.example', 'faß.de', '[192.0.2.1]', '[IPv6:::1]'),
    fc.string({ unit: 'grapheme', maxLength: 10, size: 'max' }),
  )
  fc.assert(
    fc.property(local, domain, (left, right) => {
      const canonical = canonicalAddress(`${left}@${right}`)
      if (canonical === undefined) return
      assert.equal(canonicalAddress(canonical), canonical)
      const at = canonical.lastIndexOf('@')
      assert.ok(Buffer.byteLength(canonical.slice(0, at)) <= 64)
      assert.ok(canonical.length - at - 1 <= 255)
      assert.doesNotMatch(canonical, /[\u0000-\u001f\u007f]/)
    }),
    { numRuns: 2000 },
  )
})

test('mailboxes written read back, one line, whatever the name', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), mailText), (name) => {
      const text = formatMailbox(name, 'a.b+c@test.com')
      assert.doesNotMatch(text, /[\r\n\0]/)
      const [address, ...more] = parseAddressList(text)
      assert.equal(more.length, 0)
      assert.equal(`${address?.mailbox}@${address?.host}`, 'a.b+c@test.com')
      const plain = name
        .toWellFormed()
        .replace(/[\u0000-\u001f\u007f]+/g, ' ')
        .trim()
      const expected: EnvelopeAddress['name'] = plain === '' ? null : plain
      if (!/[\u0080-\u00ff]/.test(plain)) assert.equal(address?.name, expected)
    }),
    runs,
  )
})

test('encoded words decode to what was encoded, folded or not', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), mailText), (text) => {
      const expected = text.toWellFormed().replace(/[\u0000-\u001f\u007f]+/g, ' ')
      const words = encodeWords(text)
      assert.match(words, /^[ -~]*$/)
      assert.equal(decodeWords(words), expected)
      const folded = formatField('Subject', words)
      assert.equal(
        decodeWords(unfold(folded.slice('Subject:'.length))),
        expected.trim() === '' ? expected : decodeWords(words.trim()),
      )
    }),
    runs,
  )
})

test('dates written read back', () => {
  const ms = fc
    .integer({ min: Date.UTC(1900, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 })
    .map((seconds) => seconds * 1000)
  fc.assert(
    fc.property(ms, (time) => {
      assert.equal(parseDate(formatDate(time)), time)
      assert.equal(parseImapDateTime(imapInternalDate(time)), time)
      assert.equal(parseDate(imapInternalDate(time)), time)
    }),
    runs,
  )
})

test('transfer encodings written read back', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.string({ unit: 'grapheme' })), (bytes, lines) => {
      assert.deepEqual(new Uint8Array(decodeTransfer(Buffer.from(encodeBase64Lines(bytes)), 'base64')), bytes)
      const text = lines.map((line) => line.replace(/[\r\n]/g, '')).join('\r\n')
      assert.equal(
        Buffer.from(decodeTransfer(Buffer.from(encodeQuotedPrintable(text)), 'quoted-printable')).toString(),
        text,
      )
    }),
    runs,
  )
})

test('a Received field stays one field, whatever is in it', () => {
  fc.assert(
    fc.property(mailText, mailText, (a, b) => {
      const text = formatReceived({
        from: { helo: a, name: b, ip: a },
        by: b,
        protocol: a,
        id: b,
        for: a,
        tls: b,
        dateMs: 0,
      })
      const bytes = Buffer.from(`${text}\r\nbody`)
      assert.equal(parseHeaderFields(bytes).length, 1)
      assert.equal(countReceived(bytes), 1)
      assert.ok(text.split('\r\n').every((line) => Buffer.byteLength(line) <= 998))
    }),
    runs,
  )
})

test('notifications keep their three parts and their recipients, whatever was said', () => {
  const request = fc.record({
    said: mailText,
    address: mailText,
    header: fc.uint8Array({ maxLength: 500, size: 'max' }),
    boundary: mailText,
  })
  fc.assert(
    fc.property(request, ({ said, address, header, boundary }) => {
      const bytes = composeDsn({
        kind: 'failure',
        reportingMta: said,
        from: 'daemon@test.com',
        to: 'a@test.com',
        arrivalMs: 0,
        nowMs: 0,
        recipients: [
          { finalRecipient: address, action: 'failed', status: said, diagnosticCode: said, remoteMta: said },
          { finalRecipient: 'b@c', action: 'delayed', status: '4.4.1', diagnosticCode: said },
        ],
        originalHeader: header,
        messageId: said,
        boundary,
      })
      const { root } = indexMessage(bytes)
      assert.equal(root.children.length, 3)
      assert.equal(parseDsn(bytes)?.recipients.length, 2)
      assert.equal(parseDsn(bytes)?.recipients[1]?.finalRecipient, 'b@c')
      const returned = decodePart(bytes, root.children[2]!)
      const wanted = header.subarray(0, headerEnd(header))
      assert.deepEqual(Buffer.from(returned), Buffer.from(wanted))
    }),
    runs,
  )
})
