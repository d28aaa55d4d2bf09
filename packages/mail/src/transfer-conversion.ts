// A letter for a host that takes less than it has: bodies of 8-bit or binary bytes become quoted-printable or base64, part by part
// (RFC 6152 §3, RFC 3030 §3). Two passes over the bytes: `survey` says what each part has, `convert` changes those that must change.
// Promises: what is decoded from the result is what is decoded from the letter; bounded memory; what can't be changed without harm
// (a signed part, 8-bit in a header, a body under another encoding) is said before the first byte, and nothing is changed.
import { asBuffer } from './byte-view.ts'
import { MimeStream, type MimeEntity } from './mime-stream.ts'
import { createTransferEncoder, type TransferEncoder } from './transfer-encoder.ts'
import { mailLimits } from './types.ts'

/** 7bit: neither 8BITMIME nor BINARYMIME. 8bit: no BINARYMIME. */
export type TransferTarget = '7bit' | '8bit'

export interface ConversionPlan {
  target: TransferTarget
  /** For each header in order, what its Content-Transfer-Encoding is to become; null: it stays. */
  encodings: (NewEncoding | null)[]
}

type NewEncoding = 'base64' | 'quoted-printable' | '8bit' | '7bit'

export type Survey =
  /** Goes as it is. */
  { kind: 'as-is' } | { kind: 'convert'; plan: ConversionPlan } | { kind: 'impossible'; why: string }

interface Part {
  entity: MimeEntity
  headerHasHigh: boolean
  /** Its bytes stand under a signature. */
  isSigned: boolean
  bytes: number
  high: number
  /** A NUL, a CR or LF alone, or a line that is too long. */
  isBinary: boolean
}

/** RFC 5322 §2.1.1. */
const lineBytesMax = 998

/** The first pass. */
export class ConversionSurvey {
  readonly #parts: Part[] = []
  readonly #path: Part[] = []
  readonly #stream: MimeStream
  readonly #target: TransferTarget
  readonly #mayBeBinary: boolean
  #lineBytes = 0
  #afterCr = false
  #strayHigh = false

  /** @param mayBeBinary the letter came as BINARYMIME: bytes that are no lines are meant. Else only 8-bit bytes matter. */
  constructor(target: TransferTarget, { mayBeBinary }: { mayBeBinary: boolean }) {
    this.#target = target
    this.#mayBeBinary = mayBeBinary
    this.#stream = new MimeStream({
      header: (bytes, entity) => this.#header(bytes, entity),
      body: (bytes) => this.#body(bytes),
      bodyEnd: () => {
        const part = this.#path.pop()
        if (part && this.#afterCr) part.isBinary = true
      },
      compositeEnd: () => this.#path.pop(),
      between: (bytes) => {
        this.#strayHigh ||= hasHigh(bytes)
      },
    })
  }

  push(chunk: Uint8Array): void {
    this.#stream.push(chunk)
  }

  end(): Survey {
    this.#stream.end()
    const needed = this.#parts.map((part) => this.#needs(part))
    const mustLose = this.#target === '7bit'
    const stuck = this.#parts.find((part, at) => this.#isStuck(part, needed[at] === true))
    const isClean = !needed.includes(true) && !(mustLose && this.#strayHigh)
    if (isClean && !stuck && !this.#parts.some((part) => this.#relabelled(part))) return { kind: 'as-is' }
    if (stuck) return { kind: 'impossible', why: whyStuck(stuck, mustLose) }
    if (mustLose && this.#strayHigh) return { kind: 'impossible', why: '8-bit text outside its parts' }
    if (this.#parts.length > mailLimits.mimePartsMax) return { kind: 'impossible', why: 'too many parts' }
    const encodings = this.#parts.map((part, at) => (needed[at] ? encodingFor(part) : this.#relabelled(part)))
    return { kind: 'convert', plan: { target: this.#target, encodings } }
  }

  #header(bytes: Buffer, entity: MimeEntity): void {
    const around = this.#path.at(-1)
    const isSigned = around !== undefined && (around.isSigned || around.entity.subtype === 'signed')
    const part: Part = {
      entity,
      headerHasHigh: hasHigh(bytes),
      isSigned,
      bytes: 0,
      high: 0,
      isBinary: false,
    }
    this.#parts.push(part)
    this.#path.push(part)
    this.#lineBytes = 0
    this.#afterCr = false
  }

  #body(bytes: Buffer): void {
    const part = this.#path.at(-1)
    if (!part) return
    part.bytes += bytes.length
    for (const byte of bytes) {
      if (byte > 127) part.high += 1
      if (byte === 10) {
        if (!this.#afterCr) part.isBinary = true
        this.#lineBytes = 0
      } else {
        if (this.#afterCr || byte === 0) part.isBinary = true
        this.#lineBytes += 1
        if (this.#lineBytes > lineBytesMax + 1) part.isBinary = true
      }
      this.#afterCr = byte === 13
    }
  }

  #needs(part: Part): boolean {
    if (this.#mayBeBinary && part.isBinary) return true
    return this.#target === '7bit' && part.high > 0
  }

  #isStuck(part: Part, isNeeded: boolean): boolean {
    if (this.#target === '7bit' && part.headerHasHigh) return true
    if (!isNeeded) return part.isSigned && this.#relabelled(part) !== null
    if (part.isSigned || !['7bit', '8bit', 'binary'].includes(part.entity.encoding)) return true
    // RFC 2046 §5.2: messages are not encoded; those of RFC 6532 and its kin may be.
    return part.entity.type === 'message' && !part.entity.subtype.startsWith('global')
  }

  /** A label that promises more than is there is taken down to what the host may see. */
  #relabelled({ entity }: Part): NewEncoding | null {
    if (this.#target === '7bit') return entity.encoding === '8bit' || entity.encoding === 'binary' ? '7bit' : null
    return this.#mayBeBinary && entity.encoding === 'binary' ? '8bit' : null
  }
}

function whyStuck(part: Part, mustLose: boolean): string {
  if (mustLose && part.headerHasHigh) return '8-bit text in a header'
  if (part.isSigned) return 'a part that is signed would be changed'
  return `8-bit bytes in a body of ${part.entity.type}/${part.entity.subtype} under ${part.entity.encoding}`
}

/** Text that people could still read stays readable; the rest takes the least room. */
function encodingFor({ entity, bytes, high, isBinary }: Part): NewEncoding {
  return entity.type === 'text' && !isBinary && high * 6 <= bytes ? 'quoted-printable' : 'base64'
}

function hasHigh(bytes: Uint8Array): boolean {
  return asBuffer(bytes).some((byte) => byte > 127)
}

/** The second pass: the same bytes, by the plan that the first one made. */
export class TransferConversion {
  readonly #plan: ConversionPlan
  readonly #stream: MimeStream
  #out: Buffer[] = []
  #at = 0
  #encoder: TransferEncoder | null = null

  constructor(plan: ConversionPlan) {
    this.#plan = plan
    const give = (bytes: Buffer) => void (bytes.length > 0 && this.#out.push(bytes))
    this.#stream = new MimeStream({
      header: (bytes, entity) => {
        const encoding = this.#plan.encodings[this.#at++] ?? null
        const isCoded = encoding === 'base64' || encoding === 'quoted-printable'
        this.#encoder = isCoded ? createTransferEncoder(encoding) : null
        give(encoding === null ? bytes : relabel(bytes, entity, encoding))
      },
      body: (bytes) => give(this.#encoder ? this.#encoder.push(bytes) : bytes),
      bodyEnd: () => {
        if (this.#encoder) give(this.#encoder.end())
        this.#encoder = null
      },
      compositeEnd: () => {},
      between: give,
    })
  }

  push(chunk: Uint8Array): Buffer[] {
    this.#stream.push(chunk)
    return this.#taken()
  }

  end(): Buffer[] {
    this.#stream.end()
    return this.#taken()
  }

  #taken(): Buffer[] {
    // The stream's pieces are parts of what was pushed.
    const out = this.#out.map((piece) => Buffer.from(piece))
    this.#out = []
    return out
  }
}

/** RFC 1428 for 8-bit text that nobody has labelled. */
function relabel(header: Buffer, { fields, isMessage }: MimeEntity, encoding: NewEncoding): Buffer {
  const has = (name: string) => fields.some(({ lower }) => lower === name)
  const added =
    (isMessage && !has('mime-version') ? 'MIME-Version: 1.0\r\n' : '') +
    (isMessage && !has('content-type') ? 'Content-Type: text/plain; charset=unknown-8bit\r\n' : '') +
    `Content-Transfer-Encoding: ${encoding}\r\n`
  const pieces: Buffer[] = []
  let kept = 0
  for (const { lower, start, end } of fields) {
    if (lower !== 'content-transfer-encoding') continue
    pieces.push(header.subarray(kept, start))
    kept = end
  }
  const joined = Buffer.concat([...pieces, header.subarray(kept)])
  const tail = joined.toString('latin1', Math.max(0, joined.length - 4))
  // The blank line behind the fields; a header that a delimiter or the end cuts short has none.
  const blank = joined.length <= 2 ? joined.length : (/\n(\r?\n)$/.exec(tail)?.[1]?.length ?? 0)
  const top = joined.subarray(0, joined.length - blank)
  const isOpen = top.length > 0 && top.at(-1) !== 10
  return Buffer.concat([top, Buffer.from(isOpen ? `\r\n${added}` : added), joined.subarray(joined.length - blank)])
}
