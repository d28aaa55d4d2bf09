// Extremes: depth, numbers, sizes, and address lists beyond reason.
import { type CorpusMessage, big, lines, message, noise, top, typed, crlf } from './corpus-builder.ts'

function nested(depth: number, leaf: string[]): string[] {
  let body = leaf
  for (let level = depth; level >= 1; level -= 1) {
    body = [`Content-Type: multipart/mixed; boundary="n${level}"`, '', `--n${level}`, ...body, `--n${level}--`]
  }
  return body
}

function enclosed(depth: number): string[] {
  return Array.from({ length: depth }, (_, i) => [`Subject: level ${i}`, 'Content-Type: message/rfc822', '']).flat()
}

export function extremes(): CorpusMessage[] {
  const megabyte = 1024 * 1024
  const plainTop = (subject: string): Buffer => lines(...top(subject), '')
  const attachmentTop = lines(
    'From: aaa@test.com',
    'To: bbb@test.com',
    'Subject: 40 MB',
    'Date: Tue, 06 Jan 2026 10:00:00 +0000',
    'Message-ID: <forty@test.com>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="=_big"',
    '',
    '--=_big',
    'Content-Type: text/plain',
    '',
    'Forty megabytes.',
    '--=_big',
    'Content-Type: application/zip; name="big.zip"',
    'Content-Disposition: attachment; filename="big.zip"',
    'Content-Transfer-Encoding: base64',
    '',
  )
  const longTop = plainTop('A line of 1 MB')
  const longTops = plainTop('Five lines of 1 MB')
  const shortTop = plainTop('Short lines')
  return [
    message('nested-10', 'From: aaa@test.com', 'Subject: 10 deep', ...nested(10, ['', 'leaf'])),
    message('nested-100', 'From: aaa@test.com', 'Subject: 100 deep', ...nested(100, ['', 'leaf'])),
    message('nested-101', 'From: aaa@test.com', 'Subject: 101 deep', ...nested(101, ['', 'leaf'])),
    message('nested-1000', 'From: aaa@test.com', 'Subject: 1000 deep', ...nested(1000, ['', 'leaf'])),
    message(
      'nested-100-no-ends',
      'From: aaa@test.com',
      'Subject: 100 deep, none closed',
      ...nested(100, ['', 'leaf']).filter((line) => !/^--n\d+--$/.test(line)),
    ),
    message('enclosed-100', 'From: aaa@test.com', ...enclosed(100), 'Subject: innermost', '', 'leaf'),
    message('enclosed-2000', 'From: aaa@test.com', ...enclosed(2000), 'Subject: innermost', '', 'leaf'),
    message(
      'siblings-5000',
      ...top('5000 parts', typed('multipart/mixed; boundary=s')),
      '',
      ...Array.from({ length: 5000 }, (_, i) => `--s\r\nContent-Type: text/plain\r\n\r\npart ${i}`),
      '--s--',
    ),
    message(
      'siblings-12000',
      ...top('12000 parts', typed('multipart/mixed; boundary=s')),
      '',
      ...Array.from({ length: 12_000 }, () => '--s\r\n'),
      '--s--',
    ),
    big('line-1mb', () => Buffer.concat([longTop, Buffer.alloc(megabyte, 'x'), Buffer.from(crlf)])),
    big('line-1mb-five', () =>
      Buffer.concat([
        longTops,
        ...Array.from({ length: 5 }, (_, i) => Buffer.concat([Buffer.alloc(megabyte, `${i}`), Buffer.from(crlf)])),
      ]),
    ),
    big('line-1mb-dashes', () =>
      Buffer.concat([
        lines('Subject: dashes', 'Content-Type: multipart/mixed; boundary=b', '', '--b', ''),
        Buffer.from('--'),
        Buffer.alloc(megabyte, '-b'),
        Buffer.from(`${crlf}--b--${crlf}`),
      ]),
    ),
    big('short-lines-2mb', () => Buffer.concat([shortTop, Buffer.alloc(2 * megabyte, crlf)])),
    big('attachment-40mb', () => Buffer.concat([attachmentTop, fortyMegabytes(), Buffer.from(`--=_big--${crlf}`)])),
    message(
      'body-200kb',
      ...top('200 KB of text'),
      '',
      ...Array.from(
        { length: 2600 },
        (_, i) => `${`${i}`.padStart(6)} The quick brown fox jumps over the lazy dog, once more, today.`,
      ),
    ),
  ]
}

/** 40 MB in base64 lines of 76 characters. */
function fortyMegabytes(): Buffer {
  const line = Buffer.from(`${noise(57, 71).toString('base64')}${crlf}`)
  return Buffer.alloc(Math.floor((40 * 1024 * 1024) / line.length) * line.length, line)
}

export function addresses(): CorpusMessage[] {
  const to = (name: string, value: string): CorpusMessage =>
    message(name, 'From: aaa@test.com', `To: ${value}`, `Subject: ${name}`, '', 'x')
  return [
    to('addresses-10000', Array.from({ length: 10_000 }, (_, i) => `User ${i} <user${i}@test.com>`).join(',\r\n ')),
    to('addresses-empty-members', ',, a@test.com ,,, b@test.com,'),
    to(
      'addresses-obsolete',
      '<@relay.example,@other.example:user@test.com>, "quoted local"@test.com, a . b @ test . com',
    ),
    to('addresses-comments', '(before) a(in)@test.com(after), b@test.com (Bob (the (nested) one))'),
    to('addresses-literal', 'a@[192.0.2.1], <b@[IPv6:2001:db8::1]>'),
    to('addresses-no-domain', 'root, Operator <operator>, <>'),
    to('addresses-unclosed', 'Alice <a@test.com, Bob <b@test.com>, "never closed <c@test.com>'),
    to('addresses-groups', 'A: a@test.com, b@test.com; , B:;, C: c@test.com'),
    to('addresses-semicolons', 'a@test.com; b@test.com; c@test.com'),
    to('addresses-double', 'evil@test.com <good@test.com> <third@test.com>'),
    to('addresses-brackets-bomb', '<'.repeat(20_000) + '('.repeat(20_000) + '"'.repeat(20_001) + '['.repeat(20_000)),
    to('addresses-ats', 'a@b@c@test.com, @test.com, a@, @'),
    to('addresses-long-name', `"${'n'.repeat(50_000)}" <a@test.com>`),
    to('addresses-quoted-specials', '"Doe, \\"J\\" <x@y>" <jd@test.com>'),
  ]
}
