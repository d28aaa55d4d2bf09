// Bytes that transports stumble over: line ends, NUL, dots, headers of every sort.
import { type CorpusMessage, exact, lines, message, top, crlf } from './corpus-builder.ts'

/** Line ends, NUL, and messages that hardly are any. */
export function endings(): CorpusMessage[] {
  const head = top('Line ends').join(crlf)
  return [
    exact('empty', ''),
    exact('only-crlf', crlf),
    exact('only-lf', '\n'),
    exact('only-cr', '\r'),
    exact('only-nul', '\0'),
    exact('one-byte', 'x'),
    exact('blank-first-line', `${crlf}From: aaa@test.com${crlf}Subject: in the body${crlf}${crlf}text${crlf}`),
    exact('header-only', `${head}${crlf}`),
    exact('header-only-blank', `${head}${crlf}${crlf}`),
    exact('header-only-no-newline', head),
    exact('no-final-newline', `${head}${crlf}${crlf}The end`),
    exact('final-cr', `${head}${crlf}${crlf}The end\r`),
    exact('final-lf', `${head}${crlf}${crlf}The end\n`),
    exact('lf-only', `${head}${crlf}${crlf}one${crlf}two${crlf}`.replaceAll(crlf, '\n')),
    exact('cr-only', `${head}${crlf}${crlf}one${crlf}two${crlf}`.replaceAll(crlf, '\r')),
    exact('mixed-line-ends', `${head}${crlf}${crlf}one\ntwo\rthree\r\r\nfour\n\r\nfive${crlf}`),
    exact('header-lf-body-crlf', `${head.replaceAll(crlf, '\n')}\n\none${crlf}two${crlf}`),
    exact('cr-cr-lf', `${head}${crlf}${crlf}a\r\r\nb\r\r\n`),
    exact('smuggled-end-lf', `${head}${crlf}${crlf}a\n.\nMAIL FROM:<x@test.com>\n`),
    exact('smuggled-end-cr', `${head}${crlf}${crlf}a\r.\rMAIL FROM:<x@test.com>${crlf}`),
    exact('nul-in-body', `${head}${crlf}${crlf}a\0b\0${crlf}\0${crlf}`),
    exact('nul-in-header', `From: aaa@test.com${crlf}Subject: a\0b${crlf}X-\0: c${crlf}${crlf}text${crlf}`),
    exact(
      'all-bytes',
      Buffer.concat([
        Buffer.from(`${head}${crlf}Content-Type: application/octet-stream${crlf}${crlf}`),
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        Buffer.from(crlf),
      ]),
    ),
    exact(
      'all-bytes-but-line-ends',
      Buffer.concat([
        Buffer.from(`${head}${crlf}${crlf}`),
        Buffer.from(Array.from({ length: 254 }, (_, i) => i + (i > 9 ? 1 : 0) + (i > 11 ? 1 : 0))),
        Buffer.from(crlf),
      ]),
    ),
    exact('control-characters', `${head}${crlf}${crlf}\x01\x02\x07\x08\x0b\x0c\x1a\x1b[31m\x7f${crlf}`),
    exact(
      '8bit-undeclared',
      Buffer.concat([
        Buffer.from(`${head}${crlf}${crlf}`),
        Buffer.from([0xc0, 0xaf, 0xfe, 0xff, 0x80]),
        Buffer.from(crlf),
      ]),
    ),
    exact('blank-lines-after', `${head}${crlf}${crlf}text${crlf.repeat(50)}`),
    exact('blank-body-lines', `${head}${crlf}${crlf}${crlf.repeat(3)}`),
    exact(
      'blank-with-space',
      `From: aaa@test.com${crlf}Subject: folded by a blank line${crlf} ${crlf}X-After: yes${crlf}${crlf}text${crlf}`,
    ),
    exact('trailing-blanks', `${head}${crlf}${crlf}text   ${crlf}\t${crlf} ${crlf}`),
    exact('form-feed-header', `From: aaa@test.com${crlf}\x0cSubject: x${crlf}${crlf}text${crlf}`),
  ]
}

/** RFC 5321 §4.5.2: every way in which a dot can start a line. */
export function dots(): CorpusMessage[] {
  const body = (name: string, ...content: string[]): CorpusMessage => message(name, ...top('Dots'), '', ...content)
  return [
    body('dot-alone-first', '.', 'after'),
    body('dot-alone-middle', 'before', '.', 'after'),
    body('dot-alone-last', 'before', '.'),
    body('dot-two', '..', 'x', '..'),
    body('dot-three', '...', '....', '.....'),
    body('dot-lines-only', '.', '.', '.', '.'),
    body('dot-leading-everywhere', ...Array.from({ length: 100 }, (_, i) => `.line ${i}`)),
    body('dot-then-blank', '. ', '.\t', ' .', ' ..'),
    body('dot-crlf-blank', '.', '', '.', '', ''),
    body('dot-quit', '.', 'QUIT', 'MAIL FROM:<evil@test.com>', 'RCPT TO:<bbb@test.com>', 'DATA'),
    exact('dot-first-line', `.${crlf}From: aaa@test.com${crlf}${crlf}text${crlf}`),
    exact('dot-header', `.From: aaa@test.com${crlf}..Subject: x${crlf}${crlf}.text${crlf}`),
    exact('dot-no-final-newline', `${lines(...top('Dots'), '').toString()}.`),
    exact('dot-all', `.${crlf}`),
    exact('dot-long', `${lines(...top('Dots'), '').toString()}${'.'.repeat(5000)}${crlf}`),
    body('from-lines', 'From the start', '>From quoted', 'From: not a header', 'Return-Path: <x>'),
  ]
}

export function headers(): CorpusMessage[] {
  const odd = (name: string, ...content: (string | Buffer)[]): CorpusMessage => message(name, ...content, '', 'Body.')
  return [
    odd('mbox-from-line', 'From aaa@test.com Tue Jan  6 10:00:00 2026', ...top('After a From line')),
    odd('mbox-quoted-from-line', '>From aaa@test.com Tue Jan  6 10:00:00 2026', ...top('After a quoted From line')),
    odd('header-no-colon', 'From: aaa@test.com', 'this line is no field', 'Subject: still a field'),
    odd('header-space-before-colon', 'From : aaa@test.com', 'Subject\t : obsolete'),
    odd('header-no-space-after-colon', 'From:aaa@test.com', 'Subject:tight'),
    odd('header-empty-values', 'From:', 'Subject:', 'To: ', 'Date:', 'Message-ID:', 'Content-Type:'),
    odd('header-empty-name', ': nameless', 'From: aaa@test.com', 'Subject: after it'),
    odd('header-starts-folded', ' folded first line', 'From: aaa@test.com', 'Subject: after it'),
    odd('header-case', 'FROM: aaa@test.com', 'sUBJECT: Case', 'CONTENT-TYPE: TEXT/PLAIN; CHARSET=UTF-8'),
    odd('header-8bit-name', Buffer.from('X-\u00e9: 8-bit name'), 'From: aaa@test.com', 'Subject: 8-bit name'),
    odd('header-folded-deep', 'From: aaa@test.com', 'Subject: one', '\ttwo', '  three', ' \t four', ' '),
    odd(
      'header-folded-everywhere',
      'From:',
      ' Alice',
      ' <aaa@test.com>',
      'Subject:',
      ' folded at once',
      'Date: Tue,',
      ' 6 Jan',
      ' 2026 10:00:00',
      ' +0000',
    ),
    odd(
      'header-duplicates',
      'From: first@test.com',
      'From: second@test.com',
      'Subject: first',
      'Subject: second',
      'To: a@test.com',
      'To: b@test.com',
      'Date: Tue, 6 Jan 2026 10:00:00 +0000',
      'Date: bad',
      'Message-ID: <1@test.com>',
      'Message-ID: <2@test.com>',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Type: text/html',
    ),
    odd('header-long-line', 'From: aaa@test.com', `Subject: ${'long '.repeat(40_000)}`),
    odd('header-long-word', 'From: aaa@test.com', `Subject: ${'x'.repeat(200_000)}`),
    odd('header-long-name', `${'X'.repeat(10_000)}: y`, 'From: aaa@test.com', 'Subject: long name'),
    odd(
      'header-many-fields',
      'From: aaa@test.com',
      ...Array.from({ length: 12_000 }, (_, i) => `X-${i}: ${i}`),
      'Subject: beyond the limit',
    ),
    odd(
      'header-many-folds',
      'From: aaa@test.com',
      'Subject: folds',
      ...Array.from({ length: 20_000 }, (_, i) => ` ${i}`),
    ),
    odd(
      'header-encoded-word-bomb',
      'From: aaa@test.com',
      `Subject: ${Array.from({ length: 10_000 }, () => '=?utf-8?B?5L2g?=').join('\r\n ')}`,
    ),
    odd('header-encoded-word-openings', 'From: aaa@test.com', `Subject: ${'=?'.repeat(100_000)}`),
    odd('header-encoded-word-halves', 'From: aaa@test.com', `Subject: ${'=?utf-8?B?'.repeat(20_000)}`),
    odd(
      'header-references-many',
      'From: aaa@test.com',
      'Subject: deep thread',
      `References: ${Array.from({ length: 5000 }, (_, i) => `<r${i}@test.com>`).join('\r\n ')}`,
    ),
    odd('message-id-bare', 'From: aaa@test.com', 'Message-ID: no-brackets@test.com', 'Subject: bare id'),
    odd('message-id-odd', 'From: aaa@test.com', 'Message-ID: (comment) < spaced @ test.com > more', 'Subject: odd id'),
    odd('date-nonsense', 'From: aaa@test.com', 'Date: yesterday, I think', 'Subject: no date'),
    odd('date-impossible', 'From: aaa@test.com', 'Date: Tue, 31 Feb 2026 10:00:00 +0000', 'Subject: no such day'),
    odd('date-asctime', 'From: aaa@test.com', 'Date: Tue Jan  6 10:00:00 2026', 'Subject: asctime'),
    odd('date-iso', 'From: aaa@test.com', 'Date: 2026-01-06T10:00:00+08:00', 'Subject: ISO'),
    odd(
      'header-injected-looking',
      'From: aaa@test.com',
      'Subject: =?utf-8?Q?a=0D=0ABcc:_x@test.com?=',
      'To: b@test.com',
    ),
  ]
}
