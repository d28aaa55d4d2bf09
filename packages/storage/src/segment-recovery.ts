// Walks over the records of a segment file, damaged stretches included: for recovery, checks and compaction.
import type { Disk } from './disk.ts'
import { blockCount, blockRange, fileHeaderBytes, packedOverhead, readRecordHeader } from './record-format.ts'
import { recordHeaderBytes, recordMagic, type RecordHeader, type SegmentKind } from './record-format.ts'
import { crc32 } from 'node:zlib'

const windowBytes = 4 * 1024 * 1024

/** Reads a file front to back in large pieces. */
class FileWindow {
  readonly #disk: Disk
  readonly #fd: number
  #start = 0
  #bytes: Buffer = Buffer.alloc(0)

  constructor(disk: Disk, fd: number) {
    this.#disk = disk
    this.#fd = fd
  }

  /** Up to `length` bytes from `at`, at most `windowBytes`; fewer at the end of the file. Valid until the next call. */
  async at(at: number, length: number): Promise<Buffer> {
    if (at < this.#start || at + length > this.#start + this.#bytes.length) {
      const fresh = Buffer.allocUnsafe(Math.max(length, windowBytes))
      this.#bytes = fresh.subarray(0, await this.#disk.read(this.#fd, fresh, at))
      this.#start = at
    }
    return this.#bytes.subarray(at - this.#start, at - this.#start + length)
  }
}

export type ScannedItem =
  | {
      type: 'record'
      header: RecordHeader
      /** Where the record lies in this file; differs from `header.offset` after compaction. */
      physical: number
      /** Bytes of the whole record. */
      bytes: number
      /** All blocks match their CRCs. */
      whole: boolean
    }
  | { type: 'gap'; from: number; to: number }

/** @param kind of the segment; `moved` is true for a compacted one, in which records lie elsewhere than they say. */
export async function* scanSegment(
  disk: Disk,
  fd: number,
  options: { segment: number; kind: SegmentKind; moved: boolean; size: number },
): AsyncIterable<ScannedItem> {
  const window = new FileWindow(disk, fd)
  let at = fileHeaderBytes
  while (at < options.size) {
    const header = await headerAt(window, at, options)
    if (!header) {
      const next = await nextRecord(window, at + 1, options)
      yield { type: 'gap', from: at, to: next }
      at = next
      continue
    }
    const table = blockCount(header.length, header.firstBlock) * 4
    const bytes = header.payloadStart + header.length + (options.kind === 'solo' ? table : 0)
    yield { type: 'record', header, physical: at, bytes, whole: await isWhole(window, at, header, options.kind) }
    at += bytes
  }
}

async function headerAt(
  window: FileWindow,
  at: number,
  options: { segment: number; kind: SegmentKind; moved: boolean; size: number },
): Promise<RecordHeader | undefined> {
  const header = readRecordHeader(await window.at(at, recordHeaderBytes))
  if (!header || header.segment !== options.segment) return undefined
  if (!options.moved && header.offset !== at) return undefined
  if (options.kind === 'packed' && header.payloadStart !== packedOverhead(header.length)) return undefined
  return header
}

/** Where the next undamaged header begins, or the end of the file. */
async function nextRecord(
  window: FileWindow,
  from: number,
  options: { segment: number; kind: SegmentKind; moved: boolean; size: number },
): Promise<number> {
  let at = from
  while (at + recordHeaderBytes <= options.size) {
    const piece = await window.at(at, Math.min(windowBytes, options.size - at))
    if (piece.length < recordHeaderBytes) break
    const found = piece.indexOf(recordMagic)
    if (found < 0) {
      at += piece.length - (recordMagic.length - 1)
      continue
    }
    if (await headerAt(window, at + found, options)) return at + found
    at += found + 1
  }
  return options.size
}

async function isWhole(window: FileWindow, at: number, header: RecordHeader, kind: SegmentKind): Promise<boolean> {
  const count = blockCount(header.length, header.firstBlock)
  const tableAt = kind === 'solo' ? at + header.payloadStart + header.length : at + recordHeaderBytes
  const table = Buffer.from(await window.at(tableAt, count * 4))
  if (table.length !== count * 4 || crc32(table) !== header.tableCrc) return false
  for (let index = 0; index < count; index++) {
    const [start, end] = blockRange(header, index)
    const block = await window.at(at + header.payloadStart + start, end - start)
    if (block.length !== end - start || crc32(block) !== table.readUInt32LE(index * 4)) return false
  }
  return true
}

/** Bytes of the file up to the end of its last whole record: what lies behind was never acknowledged. */
export async function endOfRecords(
  disk: Disk,
  fd: number,
  segment: number,
): Promise<{ end: number; size: number; records: number; damaged: number }> {
  const size = await disk.size(fd)
  let end = Math.min(size, fileHeaderBytes)
  let records = 0
  let doubtful = 0
  let damaged = 0
  for await (const item of scanSegment(disk, fd, { segment, kind: 'packed', moved: false, size })) {
    if (item.type === 'gap' || !item.whole) {
      doubtful += 1
      continue
    }
    // A whole record behind a doubtful one: that one is not the torn end of the file, but damage, and is left in place.
    damaged += doubtful
    doubtful = 0
    records += 1
    end = item.physical + item.bytes
  }
  return { end, size, records, damaged }
}
