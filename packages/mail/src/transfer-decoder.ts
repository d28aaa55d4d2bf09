// Content-Transfer-Encoding of bodies that come in pieces (RFC 2045 §6): what `decodeTransfer` gives, never all at once.
// Promises: never throws; the same bytes whatever the pieces; holds no more than a line between them.
import { asBuffer } from './byte-view.ts'
import { decodeTransfer } from './transfer-encoding.ts'

export interface TransferDecoder {
  /** Decoded bytes of this piece, as far as they are certain. */
  push(piece: Uint8Array): Uint8Array
  /** What was held back. */
  end(): Uint8Array
}

/** Undefined for an encoding that nobody knows. @param encoding in lower case. */
export function createTransferDecoder(encoding: string): TransferDecoder | undefined {
  if (encoding === 'base64') return new Base64Decoder()
  if (encoding === 'quoted-printable') return new QuotedPrintableDecoder()
  return ['7bit', '8bit', 'binary'].includes(encoding) ? identity : undefined
}

const EMPTY = new Uint8Array(0)
const identity: TransferDecoder = { push: (piece) => piece, end: () => EMPTY }

/** Lines longer than this are no lines: they are cut where that does no harm. */
const LINE_BYTES_MAX = 64 * 1024

class Base64Decoder implements TransferDecoder {
  /** Less than a group of four. */
  #carry = ''
  #padded = false
  /** After padding: the line that is being read. */
  #line = ''
  #done = false

  push(piece: Uint8Array): Uint8Array {
    const text = asBuffer(piece).toString('latin1')
    if (this.#padded) return this.#after(text)
    const pad = text.indexOf('=')
    const clean = this.#carry + (pad < 0 ? text : text.slice(0, pad)).replaceAll(/[^A-Za-z0-9+/_-]+/g, '')
    if (pad < 0) {
      const whole = clean.length - (clean.length % 4)
      this.#carry = clean.slice(whole)
      return Buffer.from(clean.slice(0, whole), 'base64')
    }
    this.#carry = ''
    this.#padded = true
    return Buffer.concat([Buffer.from(clean, 'base64'), this.#after(text.slice(pad))])
  }

  /** Padding ends the data, but for senders that encode in pieces: whole lines of code go on, anything else is a footer. */
  #after(text: string): Buffer {
    if (this.#done) return Buffer.alloc(0)
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    if (this.#line.length > LINE_BYTES_MAX) this.#done = true
    return Buffer.concat(lines.map((line) => this.#codedLine(line)))
  }

  #codedLine(line: string): Buffer {
    const text = line.trim().replace(/^=+/, '')
    if (text === '' || this.#done) return Buffer.alloc(0)
    const coded = text.length % 4 === 0 && /^(?:[A-Za-z0-9+/]{2,4}={0,2})+$/.test(text)
    if (!coded) this.#done = true
    return coded ? Buffer.concat(text.split(/=+/).map((run) => Buffer.from(run, 'base64'))) : Buffer.alloc(0)
  }

  end(): Uint8Array {
    return this.#padded ? this.#codedLine(this.#line) : Buffer.from(this.#carry, 'base64')
  }
}

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const EQUALS = 61

class QuotedPrintableDecoder implements TransferDecoder {
  #carry: Uint8Array = EMPTY

  push(piece: Uint8Array): Uint8Array {
    const bytes = this.#carry.length === 0 ? asBuffer(piece) : Buffer.concat([this.#carry, piece])
    let cut = bytes.lastIndexOf(LF) + 1
    if (cut === 0 && bytes.length > LINE_BYTES_MAX) cut = certainEnd(bytes)
    this.#carry = Buffer.from(bytes.subarray(cut))
    return cut === 0 ? EMPTY : Buffer.from(decodeTransfer(bytes.subarray(0, cut), 'quoted-printable'))
  }

  end(): Uint8Array {
    return decodeTransfer(this.#carry, 'quoted-printable')
  }
}

/** Where a line without an end may be cut: not within a code, nor within blanks that may end the line. */
function certainEnd(bytes: Buffer): number {
  let end = bytes.length
  while (end > 0 && [TAB, SPACE, CR].includes(bytes[end - 1] as number)) end--
  if (bytes[end - 1] === EQUALS) return end - 1
  return bytes[end - 2] === EQUALS ? end - 2 : end || bytes.length
}
