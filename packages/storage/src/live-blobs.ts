// Which stored messages something still refers to, and the compaction of the log by that knowledge.
import type { QueueStore } from '@skein/delivery'
import type { BlobRef } from '@skein/mailboxes'
import type { Database } from './database.ts'
import type { DiskMessageLog } from './message-log.ts'
import type { CompactOptions, Compaction } from './message-log-compaction.ts'
import { readAccountMessages } from './message-pages.ts'
import { packedOverhead } from './record-format.ts'
import { accountIds } from './store-check.ts'

export interface LiveBlobsComponents {
  database: Database
  queue: Pick<QueueStore, 'list'>
}

/** Live messages of some segments, by segment and offset. */
export type LiveBlobs = ReadonlyMap<number, ReadonlySet<number>>

/**
 * Walks over the queue and every mailbox. A blob that is durable for less than `compactSealedMs` may not be referred to
 * yet; segments so young must not be asked for.
 */
export async function collectLiveBlobs(
  { database, queue }: LiveBlobsComponents,
  segments: ReadonlySet<number>,
): Promise<LiveBlobs> {
  const live = new Map<number, Set<number>>()
  await forEachBlob({ database, queue }, ({ segment, offset }) => {
    if (!segments.has(segment)) return
    const offsets = live.get(segment)
    if (offsets) offsets.add(offset)
    else live.set(segment, new Set([offset]))
  })
  return live
}

/** Bytes of all segments that something refers to; what several refer to counts for each of them. */
export async function measureLiveBytes(components: LiveBlobsComponents): Promise<Map<number, number>> {
  const live = new Map<number, number>()
  await forEachBlob(components, ({ segment, length }) => {
    live.set(segment, (live.get(segment) ?? 0) + packedOverhead(length) + length)
  })
  return live
}

async function forEachBlob({ database, queue }: LiveBlobsComponents, note: (blob: BlobRef) => void): Promise<void> {
  // The queue first: what leaves it for a mailbox in the meantime was seen here.
  for await (const item of queue.list()) note(item.blob)
  for await (const accountId of accountIds(database)) {
    // One moment: a message that moves between two mailboxes is in one of them.
    await database.atOneMoment(async (reader) => {
      for await (const { records } of readAccountMessages(reader, accountId)) for (const { blob } of records) note(blob)
    })
  }
}

/** Gives back the room of messages that neither the queue nor any mailbox has, where enough of a segment was let go. */
export async function compactMessages(
  components: LiveBlobsComponents & { log: DiskMessageLog },
  options: CompactOptions = {},
): Promise<Compaction> {
  const only = new Set(components.log.compactable(options))
  if (only.size === 0) return { segments: 0, reclaimedBytes: 0, keptRecords: 0, droppedRecords: 0 }
  const live = await collectLiveBlobs(components, only)
  return components.log.compact(({ segment, offset }) => live.get(segment)?.has(offset) ?? false, { ...options, only })
}
