// The one writer of the segment that takes appends: what waits while the disk writes shares the next write.
// Promises: an append resolves when it is synced, or rejects and leaves nothing behind that anybody refers to.
import { join } from 'node:path'
import type { BlobRef } from '@skein/mailboxes'
import { type Logger, SkeinError } from '@skein/runtime'
import type { DiskSpace } from './disk-space.ts'
import { type Disk, isNoSpace } from './disk.ts'
import { encodeFileHeader, fileHeaderBytes, packedOverhead, packedRecordHead } from './record-format.ts'
import type { RecentMessages } from './recent-messages.ts'
import { type Segment, segmentName } from './segment-files.ts'

interface WaitingAppend {
  parts: readonly Uint8Array[]
  length: number
  resolve(ref: BlobRef): void
  reject(error: unknown): void
}

export interface AppenderComponents {
  disk: Disk
  directory: string
  logger: Logger
  space: DiskSpace
  /** Gets every message once it is durable. */
  recent: RecentMessages
  /** A new segment, not yet on disk. */
  newSegment(): Promise<Segment>
  /** Its file is there, durably. */
  adopt(segment: Segment): void
  /** It takes no more appends. */
  seal(segment: Segment): void
}

export interface AppenderSettings {
  segmentBytes: number
  groupBytesMax: number
  groupPartsMax: number
}

export class Appender {
  readonly #components: AppenderComponents
  readonly #settings: AppenderSettings
  #segment: Segment | null
  #fd = -1
  #waiting: WaitingAppend[] = []
  #writing: Promise<void> | null = null
  #failure: SkeinError | null = null
  #closed = false
  appends = 0
  syncs = 0

  /** @param segment goes on there, or null to begin a new one with the first append. */
  constructor(components: AppenderComponents, settings: AppenderSettings, segment: Segment | null) {
    this.#components = components
    this.#settings = settings
    this.#segment = segment
  }

  get segment(): Segment | null {
    return this.#segment
  }

  /** Why nothing can be appended any more, if so. */
  get failure(): SkeinError | null {
    return this.#failure
  }

  append(parts: readonly Uint8Array[], length: number): Promise<BlobRef> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      if (this.#closed) return reject(new SkeinError('store-closed', 'temporary', 'the message log is closed'))
      this.#waiting.push({ parts, length, resolve, reject })
      this.#writing ??= this.#drain()
    })
  }

  async #drain(): Promise<void> {
    // A turn of the event loop lets callers that are ready now come along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        const refs = await this.#writeGroup(group)
        for (let index = 0; index < group.length; index++) group[index]?.resolve(refs[index] as BlobRef)
      } catch (cause) {
        const error = this.#errorOf(cause)
        for (const entry of group) entry.reject(error)
      }
    }
    this.#writing = null
  }

  /** As many as one write and the rest of the segment can take, at least one. */
  #takeGroup(): WaitingAppend[] {
    const { segmentBytes, groupBytesMax, groupPartsMax } = this.#settings
    const used = this.#segment?.size ?? 0
    const first = this.#waiting[0] as WaitingAppend
    const firstFits = used + packedOverhead(first.length) + first.length <= segmentBytes
    const bytesMax = Math.min(groupBytesMax, segmentBytes - (firstFits ? used : 0))
    let bytes = 0
    let parts = 0
    let count = 0
    for (const entry of this.#waiting) {
      bytes += packedOverhead(entry.length) + entry.length
      parts += entry.parts.length + 1
      if (count > 0 && (bytes > bytesMax || parts > groupPartsMax)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #writeGroup(group: readonly WaitingAppend[]): Promise<BlobRef[]> {
    if (this.#failure) throw this.#failure
    await this.#components.space.check()
    const first = group[0] as WaitingAppend
    const segment = await this.#segmentFor(packedOverhead(first.length) + first.length)
    const refs: BlobRef[] = []
    const pieces: Uint8Array[] = []
    let at = segment.size
    for (const { parts, length } of group) {
      const head = packedRecordHead(parts, length, segment.number, at)
      pieces.push(head)
      for (const part of parts) if (part.length > 0) pieces.push(part)
      refs.push({ segment: segment.number, offset: at, length })
      at += head.length + length
    }
    try {
      await this.#components.disk.writeDurably(this.#fd, pieces, segment.size)
    } catch (cause) {
      // Nothing of the group counts. Its bytes are cut off, or, where that fails too, written over by the next one.
      await this.#components.disk.truncate(this.#fd, segment.size).catch(() => {})
      throw cause
    }
    this.syncs += 1
    segment.size = at
    this.appends += group.length
    for (const [index, { parts }] of group.entries()) this.#components.recent.add(refs[index] as BlobRef, parts)
    return refs
  }

  /** A sync that failed may "succeed" the next time although the data is gone: nothing more may be promised. */
  #fail(cause: unknown): SkeinError {
    this.#failure ??= new SkeinError('store-failed', 'temporary', 'the disk of this server failed', cause)
    this.#components.logger.error(
      { err: cause },
      'the message log can take no more messages until the node is restarted',
    )
    return this.#failure
  }

  #errorOf(cause: unknown): SkeinError {
    if (cause instanceof SkeinError) return cause
    if (isNoSpace(cause)) return new SkeinError('disk-full', 'temporary', 'the disk is full', cause)
    return this.#fail(cause)
  }

  async #segmentFor(bytes: number): Promise<Segment> {
    const { disk, directory } = this.#components
    if (this.#segment && this.#segment.size + bytes > this.#settings.segmentBytes) await this.#sealCurrent()
    if (this.#segment && this.#fd >= 0) return this.#segment
    const segment = this.#segment ?? (await this.#components.newSegment())
    const path = join(directory, segmentName(segment))
    const fd = await disk.openDurable(path, this.#segment === null)
    try {
      if (segment.size < fileHeaderBytes) {
        await disk.writeDurably(fd, [encodeFileHeader(segment.number)], 0)
        await disk.syncDirectory(directory)
        segment.size = fileHeaderBytes
        this.#components.adopt(segment)
      }
    } catch (cause) {
      await disk.close(fd)
      throw cause
    }
    this.#segment = segment
    this.#fd = fd
    return segment
  }

  async #sealCurrent(): Promise<void> {
    const segment = this.#segment
    if (!segment) return
    this.#segment = null
    this.#components.seal(segment)
    if (this.#fd >= 0) await this.#components.disk.close(this.#fd)
    this.#fd = -1
  }

  /** Waits for what was handed in. @returns the segment that appends would go on in. */
  async close(): Promise<Segment | null> {
    this.#closed = true
    while (this.#writing) await this.#writing
    if (this.#fd >= 0) await this.#components.disk.close(this.#fd)
    this.#fd = -1
    return this.#segment
  }
}
