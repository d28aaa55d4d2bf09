// Bytes of a named charset to text: what the platform knows, then the two that it lacks, then a guess.
// Promises: never throws; bytes that mean nothing become U+FFFD.
import { isAscii, isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'
import { asBuffer } from './byte-view.ts'

/** Senders say gb2312 and mean its supersets; decoding by the widest one reads them all. */
const aliases: Record<string, string> = {
  gb2312: 'gb18030',
  'gb_2312-80': 'gb18030',
  gb_2312: 'gb18030',
  'gb2312-80': 'gb18030',
  'euc-cn': 'gb18030',
  'x-euc-cn': 'gb18030',
  csgb2312: 'gb18030',
  gbk: 'gb18030',
  'x-gbk': 'gb18030',
  cp936: 'gb18030',
  ms936: 'gb18030',
  'windows-936': 'gb18030',
  cp950: 'big5',
  ms950: 'big5',
  'windows-950': 'big5',
  'big-5': 'big5',
  'big5-hkscs': 'iconv:big5hkscs',
  big5hkscs: 'iconv:big5hkscs',
  'big5-hkscs:2004': 'iconv:big5hkscs',
  cp932: 'shift_jis',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  'shift-jis': 'shift_jis',
  cp949: 'euc-kr',
  'utf-7': 'iconv:utf7',
  utf7: 'iconv:utf7',
  'unicode-1-1-utf-7': 'iconv:utf7',
  'utf-7-imap': 'iconv:utf7-imap',
  'utf-8-mac': 'utf-8',
  utf8mb4: 'utf-8',
  'utf-32': 'iconv:utf32',
  'utf-32le': 'iconv:utf32le',
  'utf-32be': 'iconv:utf32be',
  '8bit': '',
  '7bit': '',
  binary: '',
  'us-ascii': '',
  ascii: '',
  'ansi_x3.4-1968': '',
  'iso-ir-6': '',
  unknown: '',
  'unknown-8bit': '',
  'x-unknown': '',
  default: '',
}

const decoders = new Map<string, TextDecoder | string>()
const decodersMax = 500

/** `charset` null, US-ASCII with 8-bit bytes, or a name that nobody knows: see `guessCharset`. */
export function decodeText(bytes: Uint8Array, charset: string | null): string {
  const buffer = asBuffer(bytes)
  const label = charset === null ? '' : charset.trim().toLowerCase()
  const decoder = label === '' ? '' : decoderFor(label)
  if (decoder === '') return decodeGuessed(buffer)
  try {
    if (typeof decoder === 'string') return iconv.decode(buffer, decoder)
    return decoder.decode(buffer)
  } catch {
    return buffer.toString('latin1')
  }
}

/** A decoder, the name of one of iconv-lite's, or '' for none. */
function decoderFor(label: string): TextDecoder | string {
  const known = decoders.get(label)
  if (known !== undefined) return known
  const name = Object.hasOwn(aliases, label) ? (aliases[label] ?? '') : label
  let decoder: TextDecoder | string = ''
  if (name.startsWith('iconv:')) decoder = name.slice(6)
  else if (name !== '') {
    try {
      decoder = new TextDecoder(name)
    } catch {
      // Unicode forms and base64 are transfer words to iconv-lite, not charsets.
      if (/^(?:cp|ibm|windows|win|mac|iso|koi8|latin|x-mac)[a-z0-9_.:-]*$/.test(name) && iconv.encodingExists(name))
        decoder = name
    }
  }
  if (decoders.size < decodersMax) decoders.set(label, decoder)
  return decoder
}

function decodeGuessed(buffer: Buffer): string {
  if (isAscii(buffer)) {
    // ISO-2022-JP is 7-bit: only its escapes tell it.
    if (buffer.includes('\u001b$')) return new TextDecoder('iso-2022-jp').decode(buffer)
    return buffer.toString('latin1')
  }
  const decoder = decoderFor(guessCharset(buffer))
  return typeof decoder === 'string' ? buffer.toString('latin1') : decoder.decode(buffer)
}

/** Bytes looked at when guessing. */
const guessBytesMax = 8192

/**
 * UTF-8 where it is valid. Else GB18030 where the high bytes come in pairs that are mostly everyday hanzi (GB 2312
 * level 1: lead B0-D7) or its punctuation, since accented Latin letters stand alone or lie above; else Windows-1252.
 */
export function guessCharset(bytes: Uint8Array): 'utf-8' | 'gb18030' | 'windows-1252' {
  if (isUtf8(bytes)) return 'utf-8'
  const end = Math.min(bytes.length, guessBytesMax)
  // A cut inside a character must not spoil the verdict.
  if (bytes.length > end && isUtf8(bytes.subarray(0, lastCharacterStart(bytes, end)))) return 'utf-8'
  let everyday = 0
  let other = 0
  for (let i = 0; i < end; i += 1) {
    const lead = bytes[i] ?? 0
    if (lead < 0x80) continue
    if (i + 1 >= end) break
    const trail = bytes[i + 1] ?? 0
    if (trail >= 0xa1 && ((lead >= 0xb0 && lead <= 0xd7) || (lead >= 0xa1 && lead <= 0xa9))) everyday += 1
    else other += 1
    if (trail >= 0x80) i += 1
  }
  return everyday > 0 && everyday >= other * 2 ? 'gb18030' : 'windows-1252'
}

function lastCharacterStart(bytes: Uint8Array, end: number): number {
  let position = end
  while (position > 0 && position > end - 4 && ((bytes[position] ?? 0) & 0xc0) === 0x80) position -= 1
  return position
}
