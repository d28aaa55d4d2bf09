// Messages that hurt: broken MIME, extremes, and bytes that transports stumble over.
import { type CorpusMessage, base64, big, exact, lines, message, noise, top } from './corpus-builder.ts'

const type = (value: string): string[] => [`Content-Type: ${value}`]
const crlf = '\r\n'

export function torture(): CorpusMessage[] {
  return [
    ...endings(),
    ...dots(),
    ...headers(),
    ...brokenMime(),
    ...boundaries(),
    ...parameters(),
    ...transferEncodings(),
    ...extremes(),
    ...addresses(),
  ]
}

/** Line ends, NUL, and messages that hardly are any. */
function endings(): CorpusMessage[] {
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
function dots(): CorpusMessage[] {
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

function headers(): CorpusMessage[] {
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

function brokenMime(): CorpusMessage[] {
  const mixed = (name: string, ...body: string[]): CorpusMessage =>
    message(name, ...top(name, type('multipart/mixed; boundary=b')), '', ...body)
  return [
    mixed('mime-no-end', '--b', '', 'one', '--b', '', 'two'),
    mixed('mime-no-parts', 'only text, no delimiter'),
    mixed('mime-nothing', ''),
    mixed('mime-end-only', '--b--'),
    mixed('mime-end-twice', '--b', '', 'one', '--b--', '--b', '', 'after the end', '--b--'),
    mixed('mime-empty-parts', '--b', '--b', '--b', '--b--'),
    mixed('mime-empty-part-header', '--b', '', '--b', '', '', '--b--'),
    mixed(
      'mime-part-header-cut',
      '--b',
      'Content-Type: text/html',
      '--b',
      'Content-Type: text/plain',
      '',
      'x',
      '--b--',
    ),
    mixed('mime-part-header-only', '--b', 'Content-Type: text/plain', 'Content-Disposition: attachment', '--b--'),
    mixed('mime-part-no-header', '--b', 'text at once, no blank line', '', 'more', '--b--'),
    mixed('mime-padding', '--b \t ', '', 'one', '--b   ', '', 'two', '--b--  ', 'epilogue'),
    mixed('mime-delimiter-with-tail', '--b', '', 'one', '--bee', '--b not a delimiter', '--b--x', '--b--'),
    mixed('mime-delimiter-indented', '--b', '', 'one', ' --b', '>--b', '--b--'),
    exact(
      'mime-delimiter-last-no-newline',
      `${lines(...top('x', type('multipart/mixed; boundary=b')), '', '--b', '', 'one').toString()}--b--`,
    ),
    exact(
      'mime-delimiter-last-open',
      `${lines(...top('x', type('multipart/mixed; boundary=b')), '', '--b', '', 'one').toString()}--b`,
    ),
    exact(
      'mime-lf-only',
      lines(
        ...top('LF', type('multipart/mixed; boundary=b')),
        '',
        '--b',
        '',
        'one',
        '--b',
        'Content-Type: text/html',
        '',
        'two',
        '--b--',
      )
        .toString('latin1')
        .replaceAll('\r\n', '\n'),
    ),
    exact(
      'mime-lf-delimiters',
      `${lines(...top('x', type('multipart/mixed; boundary=b')), '').toString()}--b\n\none\n--b\n\ntwo\n--b--\n`,
    ),
    message('mime-no-boundary', ...top('No boundary', type('multipart/mixed')), '', '--b', '', 'one', '--b--'),
    message(
      'mime-empty-boundary',
      ...top('Empty boundary', type('multipart/mixed; boundary=""')),
      '',
      '--',
      '',
      'one',
      '----',
    ),
    message(
      'mime-boundary-case',
      ...top('Case counts', type('multipart/mixed; boundary=ABC')),
      '',
      '--abc',
      '',
      'wrong',
      '--ABC',
      '',
      'right',
      '--ABC--',
    ),
    message(
      'mime-boundary-trailing-space',
      ...top('Trailing space', type('multipart/mixed; boundary="b "')),
      '',
      '--b',
      '',
      'one',
      '--b--',
    ),
    message(
      'mime-boundary-special',
      ...top('Special', type('multipart/mixed; boundary="=_(a.b)[c]*+?:/,\'"')),
      '',
      "--=_(a.b)[c]*+?:/,'",
      '',
      'one',
      "--=_(a.b)[c]*+?:/,'--",
    ),
    message(
      'mime-boundary-dashes',
      ...top('Dashes', type('multipart/mixed; boundary="--"')),
      '',
      '----',
      '',
      'one',
      '------',
    ),
    message(
      'mime-boundary-long',
      ...top('Long', type(`multipart/mixed; boundary="${'b'.repeat(500)}"`)),
      '',
      `--${'b'.repeat(500)}`,
      '',
      'one',
      `--${'b'.repeat(500)}--`,
    ),
    message(
      'mime-boundary-rfc2231',
      ...top('2231', ['Content-Type: multipart/mixed; boundary*0="ab"; boundary*1="cd"']),
      '',
      '--abcd',
      '',
      'one',
      '--abcd--',
    ),
    message('mime-type-invalid', ...top('Invalid', type('foo')), '', 'text'),
    message('mime-type-empty', ...top('Empty', type('; charset=utf-8')), '', '中文'),
    message('mime-type-slash', ...top('Slash', type('/plain')), '', 'text'),
    message('mime-type-blanks', ...top('Blanks', type(' text / html ; charset = utf-8 ')), '', '<p>text</p>'),
    message(
      'mime-type-comment',
      ...top('Comment', type('text/html (really); (x) charset=utf-8 (yes)')),
      '',
      '<p>text</p>',
    ),
    message('mime-type-unknown', ...top('Unknown', type('x-what/x-ever; x=y')), '', 'text'),
    message(
      'mime-multipart-encoded',
      ...top('Encoded multipart', ['Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: base64']),
      '',
      '--b',
      '',
      'one',
      '--b--',
    ),
    message('mime-related-empty', ...top('Empty related', type('multipart/related; boundary=b')), '', '--b--'),
    message(
      'mime-inner-no-end',
      ...top('Inner never ends', type('multipart/mixed; boundary=out')),
      '',
      '--out',
      'Content-Type: multipart/alternative; boundary=in',
      '',
      '--in',
      '',
      'inner',
      '--out',
      '',
      'outer',
      '--out--',
    ),
    message(
      'mime-inner-empty-cut',
      ...top('Inner cut at once', type('multipart/mixed; boundary=out')),
      '',
      '--out',
      'Content-Type: multipart/alternative; boundary=in',
      '',
      '--in',
      '--out--',
    ),
    message(
      'mime-rfc822-cut',
      ...top('Enclosed cut', type('multipart/mixed; boundary=out')),
      '',
      '--out',
      'Content-Type: message/rfc822',
      '',
      'Subject: cut',
      '--out',
      'Content-Type: message/rfc822',
      '--out--',
    ),
    message(
      'mime-rfc822-inner-multipart-cut',
      ...top('Enclosed multipart cut', type('multipart/mixed; boundary=out')),
      '',
      '--out',
      'Content-Type: message/rfc822',
      '',
      'Content-Type: multipart/mixed; boundary=in',
      '',
      '--in',
      '',
      'text',
      '--out--',
    ),
    message(
      'mime-version-missing',
      'From: aaa@test.com',
      'Subject: No MIME-Version',
      'Content-Type: text/html',
      '',
      '<i>x</i>',
    ),
  ]
}

function boundaries(): CorpusMessage[] {
  return [
    message(
      'boundary-prefix',
      ...top('One begins with the other', type('multipart/mixed; boundary=abc')),
      '',
      '--abc',
      'Content-Type: multipart/alternative; boundary=abcdef',
      '',
      '--abcdef',
      '',
      'inner',
      '--abcdef--',
      '--abc',
      '',
      'outer',
      '--abc--',
    ),
    message(
      'boundary-prefix-reversed',
      ...top('The other begins with the one', type('multipart/mixed; boundary=abcdef')),
      '',
      '--abcdef',
      'Content-Type: multipart/alternative; boundary=abc',
      '',
      '--abc',
      '',
      'inner',
      '--abc--',
      '--abcdef',
      '',
      'outer',
      '--abcdef--',
    ),
    message(
      'boundary-ends-in-dashes',
      ...top('x', type('multipart/mixed; boundary="abc--"')),
      '',
      '--abc--',
      'Content-Type: multipart/alternative; boundary=abc',
      '',
      '--abc',
      '',
      'inner',
      '--abc--',
      '',
      'outer',
      '--abc----',
    ),
    message(
      'boundary-same-nested',
      ...top('Same', type('multipart/mixed; boundary=s')),
      '',
      '--s',
      'Content-Type: multipart/mixed; boundary=s',
      '',
      '--s',
      '',
      'x',
      '--s--',
      '--s',
      '',
      'y',
      '--s--',
    ),
    message(
      'boundary-in-preamble',
      ...top('Preamble', type('multipart/mixed; boundary=b')),
      '',
      'Look for --b',
      ' --b',
      '--bb',
      '--b',
      '',
      'one',
      '--b--',
    ),
    message(
      'boundary-in-text',
      ...top('In text', type('multipart/mixed; boundary=b')),
      '',
      '--b',
      '',
      'text --b',
      'x--b--',
      '--b--',
    ),
    message(
      'boundary-outer-in-attached-text',
      ...top('Attached original', type('multipart/mixed; boundary=b')),
      '',
      '--b',
      'Content-Type: text/plain; name=raw.eml',
      '',
      'Content-Type: multipart/mixed; boundary=c',
      '',
      '--c',
      'x',
      '--c--',
      '--b--',
    ),
    message(
      'boundary-in-header',
      ...top('In a header', type('multipart/mixed; boundary=b')),
      '',
      '--b',
      'X-Note: a',
      '--b',
      '',
      'two',
      '--b--',
    ),
    message(
      'boundary-many-dashes',
      ...top('Dashes', type('multipart/mixed; boundary=b')),
      '',
      '--b',
      '',
      ...Array.from({ length: 5000 }, () => '--'),
      ...Array.from({ length: 5000 }, () => '--bb'),
      '--b--',
    ),
    message(
      'boundary-8bit',
      Buffer.concat([
        Buffer.from('Content-Type: multipart/mixed; boundary="'),
        Buffer.from([0xc4, 0xe3]),
        Buffer.from('"'),
      ]),
      'Subject: 8-bit boundary',
      '',
      Buffer.concat([Buffer.from('--'), Buffer.from([0xc4, 0xe3])]),
      '',
      'one',
      Buffer.concat([Buffer.from('--'), Buffer.from([0xc4, 0xe3]), Buffer.from('--')]),
    ),
  ]
}

function parameters(): CorpusMessage[] {
  const named = (name: string, ...fields: string[]): CorpusMessage => message(name, ...top(name, fields), '', 'x')
  return [
    named('rfc2231-out-of-order', "Content-Disposition: attachment; filename*1*=b%E5%A5%BD; filename*0*=utf-8''a"),
    named('rfc2231-gap', "Content-Disposition: attachment; filename*0*=utf-8''a; filename*2=c"),
    named('rfc2231-no-charset', 'Content-Disposition: attachment; filename*=plain%20name'),
    named('rfc2231-bad-percent', "Content-Disposition: attachment; filename*=utf-8''100%%zz%4"),
    named('rfc2231-gbk', "Content-Disposition: attachment; filename*=gbk''%D6%D0%CE%C4.txt"),
    named('rfc2231-both', "Content-Disposition: attachment; filename=plain.txt; filename*=utf-8''%E4%B8%AD.txt"),
    named('rfc2231-quoted', 'Content-Disposition: attachment; filename*="utf-8\'\'%E4%B8%AD.txt"'),
    named(
      'rfc2231-many',
      `Content-Disposition: attachment; ${Array.from({ length: 3000 }, (_, i) => `filename*${i}=x`).join('; ')}`,
    ),
    named(
      'rfc2231-huge-index',
      'Content-Disposition: attachment; filename*999999999999=x; filename*0=a; filename**=b; filename*x=c',
    ),
    named('parameter-unterminated-quote', 'Content-Type: text/plain; name="never closed; charset=utf-8'),
    named('parameter-no-value', 'Content-Type: text/plain; name; charset=utf-8; =x; ;;; x='),
    named('parameter-duplicates', 'Content-Type: text/plain; charset=utf-8; charset=gbk'),
    named('parameter-proto', 'Content-Type: text/plain; __proto__=x; constructor=y; toString=z; __proto__*0=p'),
    named('parameter-comments-open', `Content-Type: text/plain; ${'( '.repeat(20_000)}`),
    named('parameter-semicolons', `Content-Type: text/plain${';('.repeat(20_000)}`),
    named('disposition-unknown', 'Content-Disposition: x-strange; filename=a'),
    named('disposition-empty', 'Content-Disposition: ; filename=a'),
  ]
}

function transferEncodings(): CorpusMessage[] {
  const coded = (name: string, encoding: string, ...body: (string | Buffer)[]): CorpusMessage =>
    message(
      name,
      ...top(name, ['Content-Type: text/plain; charset=utf-8', `Content-Transfer-Encoding: ${encoding}`]),
      '',
      ...body,
    )
  return [
    coded('base64-broken-lines', 'base64', '5L2g', '5', 'aW9', '', '77yM'),
    coded('base64-garbage', 'base64', '5L2g*5a W9!'),
    coded('base64-padding-inside', 'base64', '5L2g5aW9', 'YQ==', 'YmI='),
    coded('base64-no-padding', 'base64', 'YQ'),
    coded('base64-footer', 'base64', base64('Coded text'), '', '_____', 'list footer!'),
    coded('base64-one-line', 'base64', Buffer.from(noise(200_000, 61).toString('base64'))),
    coded('quoted-bad', 'quoted-printable', 'a=ZZb=4=', '=E4=BD=A0', 'soft=  ', ' end =', '='),
    coded('quoted-lower', 'quoted-printable', '=e4=bd=a0=E5=a5=Bd'),
    coded('quoted-trailing', 'quoted-printable', 'blank at the end   ', 'tab\t', 'kept=20'),
    coded('encoding-unknown', 'x-mystery', 'text'),
    coded('encoding-empty', '', 'text'),
    coded('encoding-comment', '(old) BASE64 (really)', base64('Coded')),
    coded('encoding-upper', 'QUOTED-PRINTABLE', '=41=42'),
  ]
}

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

function extremes(): CorpusMessage[] {
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
      ...top('5000 parts', type('multipart/mixed; boundary=s')),
      '',
      ...Array.from({ length: 5000 }, (_, i) => `--s\r\nContent-Type: text/plain\r\n\r\npart ${i}`),
      '--s--',
    ),
    message(
      'siblings-12000',
      ...top('12000 parts', type('multipart/mixed; boundary=s')),
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

function addresses(): CorpusMessage[] {
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
