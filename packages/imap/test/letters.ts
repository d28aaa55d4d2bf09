// Letters of known make for the tests.

const CRLF = (lines: readonly string[]) => Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')

const plain = CRLF([
  'Date: Wed, 1 Jul 2026 12:00:00 +0800',
  'From: Aaa <aaa@test.com>',
  'To: bbb@test.com',
  'Subject: A letter',
  'Message-ID: <letter@test.com>',
  '',
  'Hello, Bbb.',
])

/** The parts of RFC 3501 §6.4.5's drawing: 1 text, 2 application, 3 message(3.1 text, 3.2 image), 4 multipart(4.1, 4.2). */
const nested = CRLF([
  'Date: Wed, 1 Jul 2026 12:00:00 +0800',
  'From: "Aaa" <aaa@test.com>',
  'To: Group: bbb@test.com, ccc@test.com;',
  'Subject: nested',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=outer',
  '',
  'preamble',
  '--outer',
  '',
  'one',
  '--outer',
  'Content-Type: application/octet-stream; name=two.bin',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename=two.bin',
  'Content-ID: <two@test.com>',
  '',
  'AAEC',
  '--outer',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'From: inner@test.com',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=inner',
  '',
  '--inner',
  'Content-Type: text/plain',
  '',
  'three one',
  '--inner',
  'Content-Type: image/gif',
  '',
  'GIF',
  '--inner--',
  '--outer',
  'Content-Type: multipart/alternative; boundary=four',
  '',
  '--four',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Language: en, zh',
  '',
  'four one',
  '--four',
  'Content-Type: text/html',
  'Content-Location: page.html',
  'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
  '',
  '<b>four two</b>',
  '--four--',
  '--outer--',
])

/** Subject and body in gb18030: 你好 and 垃圾邮件. */
const chinese = CRLF([
  'Date: Thu, 2 Jul 2026 00:30:00 +0800',
  'From: =?GB18030?B?ss4=?= <caohb@mailer.com.cn>',
  'To: =?utf-8?B?5p2O?= <li@test.com>',
  'Subject: =?GB18030?B?xOO6ww==?=',
  'Message-ID: <chinese@test.com>',
  'MIME-Version: 1.0',
  'Content-Type: text/plain; charset=gb18030',
  'Content-Transfer-Encoding: base64',
  '',
  'wKy7+NPKvP4=',
])

const eightBit = Buffer.concat([
  CRLF(['Subject: caf\xe9', 'From: caf\xe9 <a@test.com>', 'Content-Type: text/plain; charset=iso-8859-1', '']),
  Buffer.from('na\xefve without a final newline', 'latin1'),
])

const attachment = CRLF([
  'Subject: file',
  'MIME-Version: 1.0',
  'Content-Type: application/pdf',
  "Content-Disposition: attachment; filename*=UTF-8''%E6%8A%A5.pdf",
  '',
  'PDF',
])

/** Parts in each transfer encoding, and in one that nobody knows. */
const encoded = CRLF([
  'Subject: encoded',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'caf=C3=A9 is soft=',
  ' and warm',
  '--b',
  'Content-Type: image/png',
  'Content-Transfer-Encoding: base64',
  '',
  'AFBORyAxMjM0NTY3',
  '--b',
  'Content-Type: application/octet-stream',
  'Content-Transfer-Encoding: x-uuencode',
  '',
  'begin 644 x',
  '--b--',
])

const letters: Readonly<Record<string, Buffer>> = { plain, nested, chinese, 'eight-bit': eightBit, attachment, encoded }

export function letterNamed(name: string): Buffer {
  const letter = letters[name]
  if (letter === undefined) throw new Error(`there is no letter ${name}`)
  return letter
}
