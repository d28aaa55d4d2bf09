// The message log: bodies of all accounts in append-only segment files. Promises: what append or finish returned
// survives a power cut, and read gives back exactly those bytes or throws `message-damaged`; a BlobRef is valid for ever.
import type { BlobRef, BlobWriter, MessageLog } from '@skein/mailboxes'
import { type Clock, type Logger, SkeinError, assert } from '@skein/runtime'
import { DiskSpace } from './disk-space.ts'
import { type Disk, makeDirectory, nodeDisk } from './disk.ts'
import { Appender } from './message-log-appender.ts'
import { compactSegments, type Compaction, type CompactOptions } from './message-log-compaction.ts'
import { createBlobWriter } from './message-log-stream.ts'
import { RecentMessages } from './recent-messages.ts'
import { blockAt, blockBytes, blockCount, blockRange, blocksMatch, packedOverhead } from './record-format.ts'
import { fileHeaderBytes, fileHeaderMatches, readRecordHeader } from './record-format.ts'
import { recordHeaderBytes, type RecordHeader } from './record-format.ts'
import { scanSegment } from './segment-recovery.ts'
import { SegmentTable } from './segment-table.ts'
import { type Segment, segmentName } from './segment-files.ts'

export interface MessageLogSettings {
  segmentBytes?: number
  /** Longer messages from `writer()` get a file of their own. */
  soloBytes?: number
  groupBytesMax?: number
  openFilesMax?: number
  /** Memory for the latest messages, which are read soon after they came: by the parser, by waiting clients. 0: none. */
  recentBytes?: number
  /** Messages are refused where less of the disk is free. */
  reserveBytes?: number
  disk?: Disk
}

export const messageLogLimits = {
  segmentBytes: 256 * 1024 * 1024,
  soloBytes: 1024 * 1024,
  /** Joined in one write and sync at the most. */
  groupBytesMax: 8 * 1024 * 1024,
  groupPartsMax: 1000,
  /** Longer ones, appended whole, get a file of their own too. */
  packedBytesMax: 16 * 1024 * 1024,
  openFilesMax: 128,
  recentBytes: 16 * 1024 * 1024,
  /** More than the database keeps free: the log must not take what the database needs to go on. */
  reserveBytes: 128 * 1024 * 1024,
  streamChunkBytes: 256 * 1024,
  /** Header and blocks up to here are fetched with one read. */
  oneReadBytes: 256 * 1024,
  /** A segment is compacted when at least this part of it was let go … */
  compactReleasedRatio: 0.3,
  /** … and it has taken no record for so long: a blob may be durable a while before a record refers to it. */
  compactSealedMs: 3600 * 1000,
} as const

/** One finding of `check`: every record of every segment, and stretches that are no record. */
export type LogCheck =
  | { type: 'record'; ref: BlobRef; ok: boolean }
  | { type: 'gap'; segment: number; from: number; to: number }

export interface MessageLogStats {
  segments: number
  bytes: number
  releasedBytes: number
  openFiles: number
  appends: number
  syncs: number
  /** Set when the log refuses further messages. */
  failure: SkeinError | null
}

export interface DiskMessageLog extends MessageLog, AsyncDisposable {
  /** Reads everything and checks every CRC. */
  check(): AsyncIterable<LogCheck>
  /** @param isLive asked for each message of a segment that is worth it: does anything still refer to it. */
  compact(isLive: (ref: BlobRef) => boolean | Promise<boolean>, options?: CompactOptions): Promise<Compaction>
  /** Sets the hints by which segments are chosen for compaction: bytes that something refers to, by segment number. */
  noteLiveBytes(liveBytes: ReadonlyMap<number, number>): void
  /** Sealed segments that `compact` would look at now, so that its caller need gather live refs only for these. */
  compactable(options?: CompactOptions): number[]
  stats(): MessageLogStats
  close(): Promise<void>
}

/** @throws what the disk says when the directory can't be used */
export async function openMessageLog(
  directory: string,
  components: { clock: Clock; logger: Logger },
  settings: MessageLogSettings = {},
): Promise<DiskMessageLog> {
  const disk = settings.disk ?? nodeDisk
  await makeDirectory(disk, directory)
  const openFilesMax = settings.openFilesMax ?? messageLogLimits.openFilesMax
  const table = new SegmentTable(disk, directory, components.logger, openFilesMax)
  const space = new DiskSpace(directory, settings.reserveBytes ?? messageLogLimits.reserveBytes)
  const recent = new RecentMessages(settings.recentBytes ?? messageLogLimits.recentBytes)
  const tail = await table.load(components.clock.nowMs())
  const appender = new Appender(
    {
      disk,
      directory,
      logger: components.logger,
      recent,
      space,
      newSegment: () => table.newSegment('packed'),
      adopt: (segment) => table.segments.set(segment.number, segment),
      seal: (segment) => {
        segment.sealedMs = components.clock.nowMs()
      },
    },
    {
      segmentBytes: settings.segmentBytes ?? messageLogLimits.segmentBytes,
      groupBytesMax: settings.groupBytesMax ?? messageLogLimits.groupBytesMax,
      groupPartsMax: messageLogLimits.groupPartsMax,
    },
    tail,
  )
  return new SegmentedLog(directory, components, settings, { disk, table, appender, recent, space })
}

class SegmentedLog implements DiskMessageLog {
  readonly #directory: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #disk: Disk
  readonly #table: SegmentTable
  readonly #appender: Appender
  readonly #recent: RecentMessages
  readonly #space: DiskSpace
  readonly #soloBytes: number
  #compacting: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(
    directory: string,
    components: { clock: Clock; logger: Logger },
    settings: MessageLogSettings,
    parts: { disk: Disk; table: SegmentTable; appender: Appender; recent: RecentMessages; space: DiskSpace },
  ) {
    this.#directory = directory
    this.#clock = components.clock
    this.#logger = components.logger
    this.#disk = parts.disk
    this.#table = parts.table
    this.#appender = parts.appender
    this.#recent = parts.recent
    this.#space = parts.space
    this.#soloBytes = settings.soloBytes ?? messageLogLimits.soloBytes
  }

  append(parts: readonly Uint8Array[]): Promise<BlobRef> {
    let length = 0
    for (const part of parts) length += part.length
    if (length > messageLogLimits.packedBytesMax) return this.#appendSolo(parts)
    const few = parts.length > messageLogLimits.groupPartsMax / 2 ? [Buffer.concat(parts)] : parts
    return this.#appender.append(few, length)
  }

  async #appendSolo(parts: readonly Uint8Array[]): Promise<BlobRef> {
    const writer = this.writer()
    try {
      for (const part of parts) await writer.write(part)
    } catch (error) {
      await writer.abort()
      throw error
    }
    return writer.finish()
  }

  writer(): BlobWriter {
    return createBlobWriter(
      {
        disk: this.#disk,
        directory: this.#directory,
        space: this.#space,
        append: (parts) => this.append(parts),
        newSoloSegment: () => this.#table.newSegment('solo'),
        addSolo: (segment) => {
          segment.sealedMs = this.#clock.nowMs()
          this.#table.segments.set(segment.number, segment)
        },
        failure: () => this.#appender.failure,
      },
      this.#soloBytes,
    )
  }

  async read(ref: BlobRef, start = 0, end = ref.length): Promise<Uint8Array> {
    assert(start >= 0 && start <= end && end <= ref.length, 'a range within the message')
    const recent = this.#recent.get(ref, start, end)
    if (recent) return recent
    const { segment, name, physical } = await this.#table.locate(ref)
    try {
      return await this.#table.files.use(name, (fd) =>
        segment.kind === 'packed'
          ? this.#readPacked(fd, physical, ref, start, end)
          : this.#readApart(fd, physical, ref, start, end),
      )
    } catch (error) {
      if (error instanceof SkeinError) throw error
      const code = (error as { code?: string }).code
      // The file went away under us: compaction put a new one in its place.
      if (code === 'ENOENT' && this.#table.segments.get(ref.segment) !== segment) return this.read(ref, start, end)
      if (code === 'EIO' || code === 'ENOENT') throw damaged(ref, error)
      throw new SkeinError('store-busy', 'temporary', 'the message could not be read now', error)
    }
  }

  /** Header, table and blocks lie together: one read for all but the middle of large messages. */
  async #readPacked(fd: number, physical: number, ref: BlobRef, start: number, end: number): Promise<Uint8Array> {
    const overhead = packedOverhead(ref.length)
    const shape = { length: ref.length, firstBlock: blockBytes }
    const last = end > 0 ? blockAt(shape, end - 1) : 0
    const lastEnd = blockRange(shape, last)[1]
    if (overhead + lastEnd > messageLogLimits.oneReadBytes && start > 0) {
      return this.#readApart(fd, physical, ref, start, end)
    }
    const bytes = Buffer.allocUnsafe(overhead + lastEnd)
    if ((await this.#disk.read(fd, bytes, physical)) < bytes.length) throw damaged(ref)
    const header = this.#checkedHeader(bytes, ref)
    if (header.payloadStart !== overhead) throw damaged(ref)
    if (
      ref.length > 0 &&
      !blocksMatch(header, bytes.subarray(recordHeaderBytes, overhead), bytes.subarray(overhead), 0, last)
    ) {
      throw damaged(ref)
    }
    return bytes.subarray(overhead + start, overhead + end)
  }

  async #readApart(fd: number, physical: number, ref: BlobRef, start: number, end: number): Promise<Uint8Array> {
    const { header, table } = await this.#readTable(fd, physical, ref)
    return this.#readBlocks(fd, physical, ref, header, table, start, end)
  }

  async #readTable(fd: number, physical: number, ref: BlobRef): Promise<{ header: RecordHeader; table: Buffer }> {
    const head = Buffer.allocUnsafe(recordHeaderBytes)
    if ((await this.#disk.read(fd, head, physical)) < head.length) throw damaged(ref)
    const header = this.#checkedHeader(head, ref)
    const table = Buffer.allocUnsafe(blockCount(header.length, header.firstBlock) * 4)
    const inFront = header.payloadStart === recordHeaderBytes + table.length
    const tableAt = physical + (inFront ? recordHeaderBytes : header.payloadStart + header.length)
    if ((await this.#disk.read(fd, table, tableAt)) < table.length) throw damaged(ref)
    return { header, table }
  }

  async #readBlocks(
    fd: number,
    physical: number,
    ref: BlobRef,
    header: RecordHeader,
    table: Buffer,
    start: number,
    end: number,
  ): Promise<Uint8Array> {
    if (start >= end) return new Uint8Array(0)
    const first = blockAt(header, start)
    const last = blockAt(header, end - 1)
    const from = blockRange(header, first)[0]
    const payload = Buffer.allocUnsafe(blockRange(header, last)[1] - from)
    const count = await this.#disk.read(fd, payload, physical + header.payloadStart + from)
    if (count < payload.length || !blocksMatch(header, table, payload, first, last)) throw damaged(ref)
    return payload.subarray(start - from, end - from)
  }

  #checkedHeader(bytes: Buffer, ref: BlobRef): RecordHeader {
    const header = readRecordHeader(bytes)
    if (header?.segment !== ref.segment || header.offset !== ref.offset || header.length !== ref.length) {
      throw damaged(ref)
    }
    return header
  }

  async *stream(ref: BlobRef, start = 0, end = ref.length): AsyncIterable<Uint8Array> {
    if (end - start <= messageLogLimits.streamChunkBytes) {
      if (start < end) yield await this.read(ref, start, end)
      return
    }
    // Cut at multiples of the chunk, so that no block but the first is read twice.
    for (let at = start; at < end;) {
      const chunkEnd = Math.min(end, at - (at % messageLogLimits.streamChunkBytes) + messageLogLimits.streamChunkBytes)
      yield await this.read(ref, at, chunkEnd)
      at = chunkEnd
    }
  }

  release(ref: BlobRef): void {
    const segment = this.#table.segments.get(ref.segment)
    if (!segment) return
    segment.releasedBytes += packedOverhead(ref.length) + ref.length
  }

  async *check(): AsyncIterable<LogCheck> {
    for (const segment of Array.from(this.#table.segments.values())) {
      const name = segmentName(segment)
      const options = { segment: segment.number, kind: segment.kind, moved: segment.generation > 0 }
      const fd = await this.#disk.open(`${this.#directory}/${name}`, 'r')
      try {
        const size = segment.sealedMs === undefined ? segment.size : await this.#disk.size(fd)
        const head = Buffer.alloc(fileHeaderBytes)
        await this.#disk.read(fd, head, 0)
        if (!fileHeaderMatches(head, segment.number)) {
          yield { type: 'gap', segment: segment.number, from: 0, to: fileHeaderBytes }
        }
        for await (const item of scanSegment(this.#disk, fd, { ...options, size })) {
          if (item.type === 'gap') yield { type: 'gap', segment: segment.number, from: item.from, to: item.to }
          else {
            const { offset, length } = item.header
            yield { type: 'record', ref: { segment: segment.number, offset, length }, ok: item.whole }
          }
        }
      } finally {
        await this.#disk.close(fd)
      }
    }
  }

  noteLiveBytes(liveBytes: ReadonlyMap<number, number>): void {
    for (const segment of this.#table.segments.values()) {
      if (segment.sealedMs === undefined) continue
      const live = liveBytes.get(segment.number) ?? 0
      if (segment.kind === 'solo') segment.releasedBytes = live === 0 ? 1 : 0
      else segment.releasedBytes = Math.max(0, segment.size - fileHeaderBytes - live)
    }
  }

  compactable(options: CompactOptions = {}): number[] {
    const sealedMs = options.sealedMs ?? messageLogLimits.compactSealedMs
    const ratio = options.releasedRatio ?? messageLogLimits.compactReleasedRatio
    const now = this.#clock.nowMs()
    return [...this.#table.segments.values()]
      .filter((segment) => segment !== this.#appender.segment && segment.sealedMs !== undefined)
      .filter((segment) => options.only?.has(segment.number) ?? true)
      .filter((segment) => now - (segment.sealedMs as number) >= sealedMs)
      .filter((segment) => ratio === 0 || isWorthIt(segment, ratio))
      .map((segment) => segment.number)
  }

  compact(isLive: (ref: BlobRef) => boolean | Promise<boolean>, options: CompactOptions = {}): Promise<Compaction> {
    const result = this.#compacting.then(async () => {
      const numbers = this.compactable(options)
      const parts = { disk: this.#disk, directory: this.#directory, table: this.#table, logger: this.#logger }
      const done = await compactSegments(parts, numbers, isLive)
      await this.#table.saveHints()
      return done
    })
    this.#compacting = result.catch(() => {})
    return result
  }

  stats(): MessageLogStats {
    let bytes = 0
    let releasedBytes = 0
    for (const segment of this.#table.segments.values()) {
      bytes += segment.size
      releasedBytes += segment.releasedBytes
    }
    const { appends, syncs, failure } = this.#appender
    const segments = this.#table.segments.size
    return { segments, bytes, releasedBytes, openFiles: this.#table.files.count, appends, syncs, failure }
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#compacting
      const tail = await this.#appender.close()
      await this.#table.close(this.#appender.failure ? null : tail)
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function isWorthIt(segment: Segment, ratio: number): boolean {
  if (segment.releasedBytes === 0) return false
  return segment.kind === 'solo' || segment.releasedBytes >= ratio * segment.size
}

function damaged(ref: BlobRef, cause?: unknown): SkeinError {
  const place = `segment ${ref.segment}, offset ${ref.offset}, ${ref.length} bytes`
  return new SkeinError('message-damaged', 'permanent', `the stored message is damaged (${place})`, cause)
}
