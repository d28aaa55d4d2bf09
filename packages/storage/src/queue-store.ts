// The delivery queue in level: one JSON record for each letter under `q!<queueId>`; the first byte is the record's version.
import type { QueueItem, QueueStore } from '@skein/delivery'
import { SkeinError } from '@skein/runtime'
import type { Database } from './database.ts'

const recordVersion = 1

function encodeItem(item: QueueItem): Uint8Array {
  const text = JSON.stringify(item)
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text))
  bytes[0] = recordVersion
  bytes.write(text, 1)
  return bytes
}

function decodeItem(bytes: Uint8Array): QueueItem {
  if (bytes[0] !== recordVersion) {
    const text = `queue record version ${bytes[0]} was written by a newer Skein`
    throw new SkeinError('record-version-unknown', 'permanent', text)
  }
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString()) as QueueItem
}

export function createQueueStore(database: Database): QueueStore {
  return {
    put: (item) => database.write([{ type: 'put', key: `q!${item.id}`, value: encodeItem(item) }]),
    async remove(id, durably = false) {
      const removal = { type: 'del', key: `q!${id}` } as const
      if (durably) await database.write([removal])
      else database.writeLazily([removal])
    },
    async get(id) {
      const bytes = await database.get(`q!${id}`)
      return bytes && decodeItem(bytes)
    },
    async *list() {
      for await (const [, bytes] of database.prefix('q!')) yield decodeItem(bytes)
    },
  }
}
