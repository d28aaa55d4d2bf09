// One message in a segment file: a header that names its own place, a table with the CRC of each block, the bytes.
// Reading a part of a message checks only the blocks that it touches. Layout: docs/internals/data-layout.md.
import { crc32 } from 'node:zlib'

export const fileHeaderBytes = 32
export const recordHeaderBytes = 40
/** Bytes under one CRC. */
export const blockBytes = 64 * 1024

const FILE_MAGIC = 0x47534b53
const RECORD_MAGIC = 0x314d4b53
export const recordMagic = Buffer.from('SKM1', 'latin1')
const VERSION = 1

/** In a packed segment the table comes before the bytes; in a solo one (a large message) after them. */
export type SegmentKind = 'packed' | 'solo'

export interface RecordHeader {
  segment: number
  /** The offset that the BlobRef names, for ever: compaction moves the record and leaves it as it is. */
  offset: number
  length: number
  /** Bytes of the first block; the others have `blockBytes`, the last one what is left. */
  firstBlock: number
  tableCrc: number
  /** From the start of the record to the first byte of the message. */
  payloadStart: number
}

export function blockCount(length: number, firstBlock: number): number {
  return length <= firstBlock ? (length > 0 ? 1 : 0) : 1 + Math.ceil((length - firstBlock) / blockBytes)
}

/** [start, end) of block `index` within the message. */
export function blockRange(header: Pick<RecordHeader, 'length' | 'firstBlock'>, index: number): [number, number] {
  if (index === 0) return [0, Math.min(header.length, header.firstBlock)]
  const start = header.firstBlock + (index - 1) * blockBytes
  return [start, Math.min(header.length, start + blockBytes)]
}

/** The block that holds byte `at`. */
export function blockAt(header: Pick<RecordHeader, 'firstBlock'>, at: number): number {
  return at < header.firstBlock ? 0 : 1 + Math.floor((at - header.firstBlock) / blockBytes)
}

/** Bytes of header and table of a record in a packed segment. */
export function packedOverhead(length: number): number {
  return recordHeaderBytes + 4 * blockCount(length, blockBytes)
}

/** CRCs of a message's blocks as its bytes pass by. */
export class BlockSums {
  readonly sums: number[] = []
  #crc = 0
  #filled = 0

  update(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      const take = Math.min(bytes.length - at, blockBytes - this.#filled)
      this.#crc = crc32(take === bytes.length ? bytes : bytes.subarray(at, at + take), this.#crc)
      this.#filled += take
      at += take
      if (this.#filled === blockBytes) this.#cut()
    }
  }

  #cut(): void {
    this.sums.push(this.#crc)
    this.#crc = 0
    this.#filled = 0
  }

  finish(): number[] {
    if (this.#filled > 0) this.#cut()
    return this.sums
  }
}

export function encodeTable(sums: readonly number[]): Buffer {
  const table = Buffer.allocUnsafe(sums.length * 4)
  sums.forEach((sum, index) => table.writeUInt32LE(sum, index * 4))
  return table
}

export function writeRecordHeader(into: Buffer, header: RecordHeader): void {
  into.writeUInt32LE(RECORD_MAGIC, 0)
  into.writeUInt32LE(VERSION, 4)
  into.writeUInt32LE(header.segment, 8)
  into.writeUIntLE(header.offset, 12, 6)
  into.writeUIntLE(header.length, 18, 6)
  into.writeUInt32LE(header.firstBlock, 24)
  into.writeUInt32LE(header.tableCrc, 28)
  into.writeUInt32LE(header.payloadStart, 32)
  into.writeUInt32LE(crc32(into.subarray(0, 36)), 36)
}

/** Header and table of a message in a packed segment, ready to be written before its parts. */
export function packedRecordHead(
  parts: readonly Uint8Array[],
  length: number,
  segment: number,
  offset: number,
): Buffer {
  const payloadStart = packedOverhead(length)
  const head = Buffer.allocUnsafe(payloadStart)
  const only = parts[0]
  if (parts.length === 1 && only && length <= blockBytes) {
    if (length > 0) head.writeUInt32LE(crc32(only), recordHeaderBytes)
  } else {
    const sums = new BlockSums()
    for (const part of parts) sums.update(part)
    sums.finish().forEach((sum, index) => head.writeUInt32LE(sum, recordHeaderBytes + index * 4))
  }
  const tableCrc = crc32(head.subarray(recordHeaderBytes))
  writeRecordHeader(head, { segment, offset, length, firstBlock: blockBytes, tableCrc, payloadStart })
  return head
}

/** Undefined where there is no whole, undamaged header. */
export function readRecordHeader(bytes: Buffer, at = 0): RecordHeader | undefined {
  if (bytes.length < at + recordHeaderBytes) return undefined
  if (bytes.readUInt32LE(at) !== RECORD_MAGIC || bytes.readUInt32LE(at + 4) !== VERSION) return undefined
  if (bytes.readUInt32LE(at + 36) !== crc32(bytes.subarray(at, at + 36))) return undefined
  return {
    segment: bytes.readUInt32LE(at + 8),
    offset: bytes.readUIntLE(at + 12, 6),
    length: bytes.readUIntLE(at + 18, 6),
    firstBlock: bytes.readUInt32LE(at + 24),
    tableCrc: bytes.readUInt32LE(at + 28),
    payloadStart: bytes.readUInt32LE(at + 32),
  }
}

/** True where blocks [first, last] of `payload` (which begins at the first block's start) match the table. */
export function blocksMatch(
  header: RecordHeader,
  table: Buffer,
  payload: Uint8Array,
  first: number,
  last: number,
): boolean {
  if (crc32(table) !== header.tableCrc) return false
  const base = blockRange(header, first)[0]
  for (let index = first; index <= last; index++) {
    const [start, end] = blockRange(header, index)
    if (crc32(payload.subarray(start - base, end - base)) !== table.readUInt32LE(index * 4)) return false
  }
  return true
}

export function encodeFileHeader(segment: number): Buffer {
  const header = Buffer.alloc(fileHeaderBytes)
  header.writeUInt32LE(FILE_MAGIC, 0)
  header.writeUInt32LE(VERSION, 4)
  header.writeUInt32LE(segment, 8)
  header.writeUInt32LE(crc32(header.subarray(0, 28)), 28)
  return header
}

export function fileHeaderMatches(bytes: Uint8Array, segment: number): boolean {
  return Buffer.compare(bytes, encodeFileHeader(segment)) === 0
}
