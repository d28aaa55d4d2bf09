// Bodies into quoted-printable or base64 (RFC 2045 §6.7, §6.8), a piece at a time. Promises: any chunking gives the same; decoding
// gives every byte back; lines of at most 76 characters.

export interface TransferEncoder {
  push(piece: Buffer): Buffer
  end(): Buffer
}

export function createTransferEncoder(encoding: 'base64' | 'quoted-printable'): TransferEncoder {
  return encoding === 'base64' ? new Base64Encoder() : new QuotedPrintableEncoder()
}

const base64LineBytes = 57

class Base64Encoder implements TransferEncoder {
  #carry: Buffer = Buffer.alloc(0)
  #hasLine = false

  push(piece: Buffer): Buffer {
    const bytes = this.#carry.length === 0 ? piece : Buffer.concat([this.#carry, piece])
    const whole = bytes.length - (bytes.length % base64LineBytes)
    this.#carry = Buffer.from(bytes.subarray(whole))
    return this.#lines(bytes.subarray(0, whole))
  }

  end(): Buffer {
    return this.#lines(this.#carry)
  }

  /** A line break between lines, none behind the last: it belongs to what follows. */
  #lines(bytes: Buffer): Buffer {
    let out = ''
    for (let at = 0; at < bytes.length; at += base64LineBytes) {
      out += `${this.#hasLine ? '\r\n' : ''}${bytes.toString('base64', at, at + base64LineBytes)}`
      this.#hasLine = true
    }
    return Buffer.from(out, 'latin1')
  }
}

const quotedLineMax = 75
const hex = Array.from({ length: 256 }, (_, byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`)
const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const EQUALS = 61

/** For text: CR LF is a line break, a CR or LF alone is a byte like others. */
class QuotedPrintableEncoder implements TransferEncoder {
  #column = 0
  /** A blank or a CR, whose form depends on what follows. */
  #held = -1

  push(piece: Buffer): Buffer {
    const out: string[] = []
    for (const byte of piece) this.#take(byte, out)
    return Buffer.from(out.join(''), 'latin1')
  }

  end(): Buffer {
    const out: string[] = []
    if (this.#held >= 0) this.#put(hex[this.#held] as string, out)
    this.#held = -1
    return Buffer.from(out.join(''), 'latin1')
  }

  #take(byte: number, out: string[]): void {
    const held = this.#held
    this.#held = -1
    if (held === CR && byte === LF) {
      out.push('\r\n')
      this.#column = 0
      return
    }
    // A blank before a line break would be lost.
    if (held === CR) this.#put(hex[CR] as string, out)
    else if (held >= 0) this.#put(byte === CR ? (hex[held] as string) : String.fromCharCode(held), out)
    if (byte === SPACE || byte === TAB || byte === CR) this.#held = byte
    else
      this.#put(byte > SPACE && byte < 127 && byte !== EQUALS ? String.fromCharCode(byte) : (hex[byte] as string), out)
  }

  #put(coded: string, out: string[]): void {
    if (this.#column + coded.length > quotedLineMax) {
      out.push('=\r\n')
      this.#column = 0
    }
    out.push(coded)
    this.#column += coded.length
  }
}
