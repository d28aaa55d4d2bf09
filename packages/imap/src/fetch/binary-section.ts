// A part without its transfer encoding (RFC 3516), read in pieces: never whole in memory, whatever its size.
import { createTransferDecoder } from '@skein/mail'
import type { MimePart } from '@skein/mail'
import type { AccountMailboxes, MessageRecord } from '@skein/mailboxes'
import type { ByteRange } from './section.ts'
import { partAt } from './section.ts'

export interface Partial {
  start: number
  count: number
}

/** Where a part lies and how it is encoded. */
interface EncodedRange extends ByteRange {
  encoding: string
}

export type BinaryBody =
  | { kind: 'bytes'; bytes: Uint8Array }
  /** Too much to hold: decoded once more when it is sent. */
  | { kind: 'stream'; length: number; hasNul: boolean; chunks: () => AsyncIterable<Uint8Array> }
  | { kind: 'unknown-encoding' }
  | undefined

/** Decoded parts up to this size are held until they are sent. */
const HELD_BYTES_MAX = 256 * 1024

export class BinaryReader {
  readonly #mailboxes: AccountMailboxes
  readonly #breathe: () => Promise<void> | void

  constructor(mailboxes: AccountMailboxes, breathe: () => Promise<void> | void) {
    this.#mailboxes = mailboxes
    this.#breathe = breathe
  }

  /** Undefined where there is no such part. @param root undefined where only the whole message is asked for. */
  async read(
    record: MessageRecord,
    root: MimePart | undefined,
    part: readonly number[],
    partial?: Partial,
  ): Promise<BinaryBody> {
    const range = rangeOf(record, root, part)
    if (range === undefined) return undefined
    if (createTransferDecoder(range.encoding) === undefined) return { kind: 'unknown-encoding' }
    let length = 0
    let hasNul = false
    let held: Uint8Array[] = []
    for await (const chunk of this.#decoded(record, range, partial)) {
      length += chunk.length
      hasNul ||= chunk.includes(0)
      if (length <= HELD_BYTES_MAX) held.push(chunk)
      else held = []
    }
    if (length <= HELD_BYTES_MAX) return { kind: 'bytes', bytes: Buffer.concat(held) }
    return { kind: 'stream', length, hasNul, chunks: () => this.#decoded(record, range, partial) }
  }

  /** Decoded size of a part; 0 where there is none. */
  async size(
    record: MessageRecord,
    root: MimePart | undefined,
    part: readonly number[],
  ): Promise<number | 'unknown-encoding'> {
    const range = rangeOf(record, root, part)
    if (range === undefined) return 0
    const decoder = createTransferDecoder(range.encoding)
    if (decoder === undefined) return 'unknown-encoding'
    if (range.encoding !== 'base64' && range.encoding !== 'quoted-printable') return range.end - range.start
    let length = 0
    for await (const chunk of this.#decoded(record, range)) length += chunk.length
    return length
  }

  async *#decoded(record: MessageRecord, range: EncodedRange, partial?: Partial): AsyncGenerator<Uint8Array> {
    const decoder = createTransferDecoder(range.encoding)
    if (decoder === undefined || range.start === range.end) return
    let toSkip = partial?.start ?? 0
    let toSend = partial?.count ?? Number.POSITIVE_INFINITY
    const cut = (decoded: Uint8Array): Uint8Array => {
      const piece = decoded.subarray(Math.min(toSkip, decoded.length)).subarray(0, toSend)
      toSkip -= Math.min(toSkip, decoded.length)
      toSend -= piece.length
      return piece
    }
    for await (const chunk of this.#mailboxes.stream(record, range.start, range.end)) {
      const piece = cut(decoder.push(chunk))
      if (piece.length > 0) yield piece
      if (toSend === 0) return
      const pause = this.#breathe()
      if (pause) await pause
    }
    const rest = cut(decoder.end())
    if (rest.length > 0) yield rest
  }
}

function rangeOf(record: MessageRecord, root: MimePart | undefined, part: readonly number[]): EncodedRange | undefined {
  if (part.length === 0) return { start: 0, end: record.size, encoding: 'binary' }
  const found = root && partAt(root, part)
  return found && { start: found.bodyStart, end: found.bodyEnd, encoding: found.encoding }
}
