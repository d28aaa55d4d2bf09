// Which segments there are: found at opening, numbers given out, where a BlobRef's bytes lie now.
import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobRef } from '@skein/mailboxes'
import { type Logger, SkeinError } from '@skein/runtime'
import type { Disk } from './disk.ts'
import { readLogState, writeLogState, type LogState } from './message-log-state.ts'
import { OffsetMap } from './offset-map.ts'
import { fileHeaderBytes } from './record-format.ts'
import { OpenFiles, offsetMapName, parseSegmentName, segmentName, type Segment } from './segment-files.ts'
import { endOfRecords, scanSegment } from './segment-recovery.ts'

/** Numbers that are set aside with one write of the state file. */
const numbersAtOnce = 1000
const offsetMapsMax = 64

export class SegmentTable {
  readonly segments = new Map<number, Segment>()
  readonly files: OpenFiles
  readonly #disk: Disk
  readonly #directory: string
  readonly #logger: Logger
  readonly #maps = new Map<number, Promise<OffsetMap>>()
  #nextNumber = 1
  #ceiling = 1
  #allocating: Promise<unknown> = Promise.resolve()

  constructor(disk: Disk, directory: string, logger: Logger, openFilesMax: number) {
    this.#disk = disk
    this.#directory = directory
    this.#logger = logger
    this.files = new OpenFiles(disk, directory, openFilesMax)
  }

  /** Finds the segments. @returns the one to go on appending in, recovered, if there is one. */
  async load(nowMs: number): Promise<Segment | null> {
    const state = await readLogState(this.#directory)
    await this.#findFiles(nowMs)
    for (const [number, bytes] of Object.entries(state?.released ?? {})) {
      const segment = this.segments.get(Number(number))
      if (segment) segment.releasedBytes = bytes
    }
    const highest = [...this.segments.keys()].at(-1) ?? 0
    this.#nextNumber = Math.max(state?.numberCeiling ?? 1, highest + 1)
    const tail = [...this.segments.values()].findLast((segment) => this.#appendable(segment)) ?? null
    if (tail) await this.#recover(tail, state)
    await this.#saveState(null)
    return tail
  }

  #appendable(segment: Segment): boolean {
    return segment.kind === 'packed' && segment.generation === 0
  }

  async #findFiles(nowMs: number): Promise<void> {
    const names = (await readdir(this.#directory)).sort()
    const found: Segment[] = []
    for (const name of names) {
      const parsed = parseSegmentName(name)
      if (parsed) found.push({ ...parsed, size: 0, releasedBytes: 0, sealedMs: nowMs })
      // Left over from a crash: nothing that was acknowledged lies in a file with a temporary name.
      else if (name.endsWith('.tmp')) await unlink(join(this.#directory, name))
    }
    found.sort((a, b) => a.number - b.number || a.generation - b.generation)
    for (const segment of found) {
      const older = this.segments.get(segment.number)
      if (older) await this.#remove(older)
      this.segments.set(segment.number, segment)
    }
    const kept = new Set([...this.segments.values()].map(offsetMapName))
    for (const name of names) {
      if (name.endsWith('.map') && !kept.has(name)) await unlink(join(this.#directory, name))
    }
    // The size of solo ones, of which there may be very many, is not needed.
    for (const segment of this.segments.values()) {
      if (segment.kind === 'packed') segment.size = (await stat(join(this.#directory, segmentName(segment)))).size
    }
  }

  async #remove(segment: Segment): Promise<void> {
    await unlink(join(this.#directory, segmentName(segment)))
    if (segment.generation > 0) await unlink(join(this.#directory, offsetMapName(segment))).catch(() => {})
  }

  /** After a crash the tail may end in a torn write: bytes that were never acknowledged, cut off here. */
  async #recover(tail: Segment, state: LogState | undefined): Promise<void> {
    const fd = await this.#disk.open(join(this.#directory, segmentName(tail)), 'r+')
    try {
      const size = await this.#disk.size(fd)
      tail.sealedMs = undefined
      if (state?.clean?.segment === tail.number && state.clean.size === size) {
        tail.size = size
        return
      }
      const found = await endOfRecords(this.#disk, fd, tail.number)
      tail.size = found.end
      const fields = { segment: tail.number, records: found.records, cutBytes: size - found.end }
      if (size > found.end) {
        await this.#disk.truncate(fd, found.end)
        await this.#disk.fdatasync(fd)
      }
      if (found.end < fileHeaderBytes) tail.size = 0
      if (found.damaged > 0)
        this.#logger.error({ ...fields, damaged: found.damaged }, 'damaged records in the message log')
      else this.#logger.info(fields, 'message log recovered')
    } finally {
      await this.#disk.close(fd)
    }
  }

  /** Hints of released bytes are only hints: they are saved now and then. */
  saveHints(): Promise<void> {
    const saved = this.#allocating.then(() => this.#saveState(null))
    this.#allocating = saved.catch(() => {})
    return saved
  }

  async #saveState(clean: LogState['clean']): Promise<void> {
    this.#ceiling = clean ? this.#nextNumber : this.#nextNumber + numbersAtOnce
    const released: Record<string, number> = {}
    for (const segment of this.segments.values()) {
      if (segment.releasedBytes > 0) released[segment.number] = segment.releasedBytes
    }
    await writeLogState(this.#disk, this.#directory, { version: 1, numberCeiling: this.#ceiling, clean, released })
  }

  /** A number that no segment ever had. @throws what the disk says */
  newSegment(kind: Segment['kind']): Promise<Segment> {
    const result = this.#allocating.then(async () => {
      if (this.#nextNumber >= this.#ceiling) await this.#saveState(null)
      const number = this.#nextNumber++
      const segment: Segment = { number, kind, generation: 0, size: 0, releasedBytes: 0, sealedMs: undefined }
      return segment
    })
    this.#allocating = result.catch(() => {})
    return result
  }

  /** The file, and the offset in it, where the record of `ref` begins now. */
  async locate(ref: BlobRef): Promise<{ segment: Segment; name: string; physical: number }> {
    const segment = this.segments.get(ref.segment)
    if (!segment) throw new SkeinError('message-damaged', 'permanent', 'the stored message is not there any more')
    const name = segmentName(segment)
    if (segment.generation === 0) return { segment, name, physical: ref.offset }
    const physical = (await this.#mapOf(segment)).find(ref.offset)
    if (physical === undefined) {
      throw new SkeinError('message-damaged', 'permanent', 'the stored message is not there any more')
    }
    return { segment, name, physical }
  }

  #mapOf(segment: Segment): Promise<OffsetMap> {
    let map = this.#maps.get(segment.number)
    if (map) {
      this.#maps.delete(segment.number)
    } else {
      map = this.#loadMap(segment)
      map.catch(() => this.#maps.delete(segment.number))
    }
    this.#maps.set(segment.number, map)
    if (this.#maps.size > offsetMapsMax) {
      const [oldest] = this.#maps.keys()
      if (oldest !== undefined) this.#maps.delete(oldest)
    }
    return map
  }

  async #loadMap(segment: Segment): Promise<OffsetMap> {
    const path = join(this.#directory, offsetMapName(segment))
    const saved = await OffsetMap.load(path)
    if (saved) return saved
    this.#logger.warn({ segment: segment.number }, 'the map of a compacted segment is made again')
    const map = await this.files.use(segmentName(segment), async (fd) => {
      const size = await this.#disk.size(fd)
      const pairs: [number, number][] = []
      for await (const item of scanSegment(this.#disk, fd, {
        segment: segment.number,
        kind: 'packed',
        moved: true,
        size,
      })) {
        if (item.type === 'record') pairs.push([item.header.offset, item.physical])
      }
      return new OffsetMap(Uint32Array.from(pairs.sort((a, b) => a[0] - b[0]).flat()))
    })
    await map.save(path)
    return map
  }

  /** Puts the compacted file in the place of the old one, which readers that are at it may finish. */
  async replace(old: Segment, fresh: Segment, map: OffsetMap): Promise<void> {
    this.segments.set(fresh.number, fresh)
    this.#maps.set(fresh.number, Promise.resolve(map))
    this.files.forget(segmentName(old))
    await this.#remove(old)
  }

  /** Nothing refers to anything in it. */
  async drop(segment: Segment): Promise<void> {
    this.segments.delete(segment.number)
    this.#maps.delete(segment.number)
    this.files.forget(segmentName(segment))
    await this.#remove(segment)
  }

  async close(tail: Segment | null): Promise<void> {
    await this.#allocating
    this.files.closeAll()
    await this.#saveState(tail ? { segment: tail.number, size: tail.size } : { segment: 0, size: 0 })
  }
}
