// Takes back the room of messages that nothing refers to: live records of a segment go, byte for byte, to a file of the
// next generation, with a map from old to new offsets. A crash at any moment leaves either the old file or both.
import { rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobRef } from '@skein/mailboxes'
import type { Logger } from '@skein/runtime'
import type { Disk } from './disk.ts'
import { OffsetMap } from './offset-map.ts'
import { encodeFileHeader, fileHeaderBytes } from './record-format.ts'
import { offsetMapName, segmentName, type Segment } from './segment-files.ts'
import { scanSegment } from './segment-recovery.ts'
import type { SegmentTable } from './segment-table.ts'

export interface CompactOptions {
  /** Only segments sealed for at least so long. */
  sealedMs?: number
  /** Only segments of which at least this part was let go; 0 means all. */
  releasedRatio?: number
  /** Of those, only these: the ones whose live messages the caller knows. */
  only?: ReadonlySet<number>
}

export interface Compaction {
  segments: number
  reclaimedBytes: number
  keptRecords: number
  droppedRecords: number
}

interface CompactionParts {
  disk: Disk
  directory: string
  table: SegmentTable
  logger: Logger
}

type IsLive = (ref: BlobRef) => boolean | Promise<boolean>

export async function compactSegments(
  parts: CompactionParts,
  numbers: readonly number[],
  isLive: IsLive,
): Promise<Compaction> {
  const total: Compaction = { segments: 0, reclaimedBytes: 0, keptRecords: 0, droppedRecords: 0 }
  for (const number of numbers) {
    const segment = parts.table.segments.get(number)
    if (!segment) continue
    const outcome = await compactSegment(parts, segment, isLive)
    if (!outcome) continue
    total.segments += 1
    total.reclaimedBytes += outcome.reclaimedBytes
    total.keptRecords += outcome.keptRecords
    total.droppedRecords += outcome.droppedRecords
  }
  return total
}

interface Plan {
  size: number
  live: { offset: number; physical: number; bytes: number }[]
  dropped: number
}

/** Undefined where the segment must be left alone. */
async function planOf(parts: CompactionParts, fd: number, segment: Segment, isLive: IsLive): Promise<Plan | undefined> {
  const size = await parts.disk.size(fd)
  const plan: Plan = { size, live: [], dropped: 0 }
  const options = { segment: segment.number, kind: segment.kind, moved: segment.generation > 0, size }
  for await (const item of scanSegment(parts.disk, fd, options)) {
    if (item.type === 'gap') {
      // Who knows whose bytes these are: keep the evidence.
      parts.logger.warn({ segment: segment.number, from: item.from, to: item.to }, 'damaged segment is not compacted')
      return undefined
    }
    const { offset, length } = item.header
    if (await isLive({ segment: segment.number, offset, length })) {
      plan.live.push({ offset, physical: item.physical, bytes: item.bytes })
    } else plan.dropped += 1
  }
  return plan
}

async function compactSegment(
  parts: CompactionParts,
  segment: Segment,
  isLive: IsLive,
): Promise<Omit<Compaction, 'segments'> | undefined> {
  const { disk, directory, table } = parts
  const fd = await disk.open(join(directory, segmentName(segment)), 'r')
  try {
    const plan = await planOf(parts, fd, segment, isLive)
    if (!plan) return undefined
    if (plan.dropped === 0) {
      segment.releasedBytes = 0
      return undefined
    }
    if (plan.live.length === 0) {
      await table.drop(segment)
      await disk.syncDirectory(directory)
      return { reclaimedBytes: plan.size, keptRecords: 0, droppedRecords: plan.dropped }
    }
    const fresh: Segment = { ...segment, generation: segment.generation + 1, releasedBytes: 0 }
    const map = await copyLive(parts, fd, fresh, plan)
    await table.replace(segment, fresh, map)
    return {
      reclaimedBytes: plan.size - fresh.size,
      keptRecords: plan.live.length,
      droppedRecords: plan.dropped,
    }
  } finally {
    await disk.close(fd)
  }
}

/** Writes the file of the next generation; it has its name, durably, when this returns. */
async function copyLive(parts: CompactionParts, from: number, fresh: Segment, plan: Plan): Promise<OffsetMap> {
  const { disk, directory } = parts
  const path = join(directory, segmentName(fresh))
  const mapPath = join(directory, offsetMapName(fresh))
  const pairs = new Uint32Array(plan.live.length * 2)
  const to = await disk.open(`${path}.tmp`, 'w+')
  try {
    await disk.writev(to, [encodeFileHeader(fresh.number)], 0)
    let at = fileHeaderBytes
    for (const [index, record] of plan.live.entries()) {
      pairs[index * 2] = record.offset
      pairs[index * 2 + 1] = at
      const bytes = Buffer.allocUnsafe(record.bytes)
      await disk.read(from, bytes, record.physical)
      await disk.writev(to, [bytes], at)
      at += record.bytes
    }
    await disk.fdatasync(to)
    fresh.size = at
  } catch (error) {
    await unlink(`${path}.tmp`).catch(() => {})
    throw error
  } finally {
    await disk.close(to)
  }
  const map = new OffsetMap(pairs)
  await map.save(`${mapPath}.tmp`)
  // The map first: a segment of a later generation is never there without it.
  await rename(`${mapPath}.tmp`, mapPath)
  await disk.syncDirectory(directory)
  await rename(`${path}.tmp`, path)
  await disk.syncDirectory(directory)
  return map
}
