// Puts the corpus's messages together from lines; nothing of the package under test is used.
import iconv from 'iconv-lite'

export interface CorpusMessage {
  readonly name: string
  readonly bytes: Uint8Array
  /** Has a CR or LF that stands alone: SMTP refuses it by default, IMAP APPEND keeps it. */
  readonly bareLineEnds?: true
  /** Does not end in CRLF: SMTP cannot carry it as it is, its DATA ends every line. */
  readonly noFinalNewline?: true
  /** Over 1 MB: built anew at each access of `bytes`. */
  readonly big?: true
}

/** Lines joined with CRLF, the last one ended too. Strings are UTF-8. */
export function lines(...content: (string | Buffer)[]): Buffer {
  const end = Buffer.from('\r\n')
  return Buffer.concat(content.flatMap((line) => [typeof line === 'string' ? Buffer.from(line) : line, end]))
}

export function message(name: string, ...content: (string | Buffer)[]): CorpusMessage {
  return { name, bytes: lines(...content) }
}

/** Message of exactly these bytes (a string is latin1), its flags worked out. */
export function exact(name: string, content: string | Buffer): CorpusMessage {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  return { name, bytes, ...flagsOf(bytes) }
}

export function big(name: string, build: () => Buffer): CorpusMessage {
  return {
    name,
    big: true,
    get bytes() {
      return build()
    },
  }
}

export function flagsOf(bytes: Buffer): { bareLineEnds?: true; noFinalNewline?: true } {
  const bare = /\r(?!\n)|(?<!\r)\n/.test(bytes.toString('latin1'))
  const final = bytes.length === 0 || bytes.subarray(-2).equals(Buffer.from('\r\n'))
  return { ...(bare ? { bareLineEnds: true } : {}), ...(final ? {} : { noFinalNewline: true }) }
}

let serial = 0

export function restartSerial(): void {
  serial = 0
}

/** The fields that every ordinary letter has. */
export function top(subject: string, extra: readonly string[] = []): string[] {
  serial += 1
  const minute = `${serial % 60}`.padStart(2, '0')
  return [
    'From: Alice Wang <aaa@test.com>',
    'To: Bob Li <bbb@test.com>',
    `Subject: ${subject}`,
    `Date: Tue, 06 Jan 2026 09:${minute}:00 +0800`,
    `Message-ID: <corpus-${serial}@test.com>`,
    'MIME-Version: 1.0',
    ...extra,
  ]
}

/** Base64 in lines of 76. */
export function base64(content: Buffer | string): string {
  const text = Buffer.from(content as Buffer).toString('base64')
  return (text.match(/.{1,76}/g) ?? []).join('\r\n')
}

/** Quoted-printable of bytes; lines end in CRLF. */
export function quoted(content: Buffer): string {
  let out = ''
  let column = 0
  for (const byte of content) {
    if (byte === 13) continue
    if (byte === 10) {
      out += '\r\n'
      column = 0
      continue
    }
    const plain = byte >= 33 && byte <= 126 && byte !== 61
    const coded = plain ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (column + coded.length > 75) {
      out += '=\r\n'
      column = 0
    }
    out += coded
    column += coded.length
  }
  return out
}

/** `=?charset?B?…?=` of text in that charset, all in one word. */
export function wordB(text: string, charset: string): string {
  return `=?${charset}?B?${encode(text, charset).toString('base64')}?=`
}

export function wordQ(text: string, charset: string): string {
  let out = ''
  for (const byte of encode(text, charset)) {
    out += /[A-Za-z0-9]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return `=?${charset}?Q?${out}?=`
}

export function encode(text: string, charset: string): Buffer {
  return charset.toLowerCase() === 'iso-2022-jp' ? iso2022jp(text) : iconv.encode(text, charset)
}

/** JIS X 0208 is EUC-JP without its high bits, between escapes (RFC 1468). */
function iso2022jp(text: string): Buffer {
  const out: number[] = []
  let wide = false
  for (const character of text) {
    const euc = iconv.encode(character, 'euc-jp')
    if (euc.length === 2 && !wide) out.push(0x1b, 0x24, 0x42)
    if (euc.length === 1 && wide) out.push(0x1b, 0x28, 0x42)
    wide = euc.length === 2
    for (const byte of euc) out.push(byte & 0x7f)
  }
  if (wide) out.push(0x1b, 0x28, 0x42)
  return Buffer.from(out)
}

/** Bytes that look random and are always the same. */
export function noise(length: number, seed = 1): Buffer {
  const out = Buffer.alloc(length)
  let state = seed
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    out[i] = state >>> 16
  }
  return out
}

export const onePixelPng = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

export const crlf = '\r\n'

export const utf8 = 'text/plain; charset=utf-8'

export const typed = (value: string): string[] => [`Content-Type: ${value}`]

export const alternativeBody = (boundary: string): string[] => [
  `--${boundary}`,
  'Content-Type: text/plain; charset=utf-8',
  '',
  'Plain hello',
  `--${boundary}`,
  'Content-Type: text/html; charset=utf-8',
  '',
  '<p>HTML hello</p>',
  `--${boundary}--`,
]

export const png = (extra: string[]): string[] => [
  'Content-Type: image/png; name="dot.png"',
  'Content-Transfer-Encoding: base64',
  ...extra,
  '',
  base64(onePixelPng),
]
