// The traces of letters in level. One record for the events that are added together, under `t!e!<queueId>!<atMs>-<n>`, and
// `t!m!<hash of Message-ID>!<queueId>` to find a letter by its Message-ID; their number under `t!n`. Kept 30 days, bounded.
import { hash } from 'node:crypto'
import type { TraceEvent, TraceStore } from '@skein/delivery'
import { ulidTimeMs, type Logger } from '@skein/runtime'
import { afterPrefix, type Database, type DatabaseOp } from './database.ts'

export const traceLimits = {
  traceKeepMs: 30 * 24 * 3600 * 1000,
  /** Records, about one to three for each letter; the oldest go first. */
  traceRecordsMax: 5_000_000,
  /** Removed in one go, so that tidying never holds up a write for long. */
  tracePruneRecordsMax: 1_000,
  /** Tidying happens once for so many added records. */
  tracePruneEvery: 500,
  /** Latest letters of which is remembered that they can be found by their Message-ID. */
  traceIndexedMax: 1_000,
} as const

const recordVersion = 1
const countKey = 't!n'

interface StoredEvent extends Omit<TraceEvent, 'queueId' | 'messageId'> {}

interface Stored {
  messageId: string
  events: StoredEvent[]
}

function encode(record: Stored): Uint8Array {
  const text = JSON.stringify(record)
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text))
  bytes[0] = recordVersion
  bytes.write(text, 1)
  return bytes
}

/** Traces are best effort: what a newer version wrote is passed over. */
function decode(bytes: Uint8Array): Stored | undefined {
  if (bytes[0] !== recordVersion) return undefined
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString()) as Stored
}

function messageKey(messageId: string): string {
  return `t!m!${hash('sha256', messageId).slice(0, 32)}!`
}

/** The ULID's ten time characters of a moment: every older letter's key sorts before. */
function timePrefix(atMs: number): string {
  const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
  let text = ''
  for (let rest = Math.max(0, atMs), i = 0; i < 10; i++) {
    text = alphabet.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

export interface TraceStoreSettings {
  logger?: Logger
  limits?: Partial<Record<keyof typeof traceLimits, number>>
}

export interface LevelTraceStore extends TraceStore {
  /** Removes what is too old, a part at a time. Happens by itself now and then; resolves to the number of removed records. */
  prune(nowMs: number): Promise<number>
}

export function createTraceStore(database: Database, settings: TraceStoreSettings = {}): LevelTraceStore {
  const limits = { ...traceLimits, ...settings.limits }
  let serial = 0
  let sincePrune = 0
  /** Message-IDs of the latest letters under their queue ids, the oldest first. */
  let indexed = new Map<string, string>()
  let indexedBefore = new Map<string, string>()
  let pruning: Promise<number> | null = null
  /** Records in the store; counted once, then kept along. */
  let records: number | null = null

  /** Written at each tidying: after a crash it is off by what was added since, which does not matter. */
  async function count(): Promise<number> {
    const kept = await database.get(countKey)
    if (kept?.length === 7 && kept[0] === recordVersion) return Buffer.from(kept).readUIntBE(1, 6)
    let found = 0
    for await (const _ of database.prefix('t!e!')) found++
    return found
  }

  function countRecord(): DatabaseOp {
    const value = Buffer.alloc(7)
    value[0] = recordVersion
    value.writeUIntBE(records ?? 0, 1, 6)
    return { type: 'put', key: countKey, value }
  }

  async function prune(nowMs: number): Promise<number> {
    records ??= await count()
    const tooMany = Math.max(0, records - limits.traceRecordsMax)
    const keepFromMs = nowMs - limits.traceKeepMs
    const ops: DatabaseOp[] = []
    let removed = 0
    const oldest = { gte: 't!e!', lt: afterPrefix('t!e!'), limit: limits.tracePruneRecordsMax }
    for await (const [key, value] of database.range(oldest)) {
      const queueId = key.split('!')[2] as string
      if (ulidTimeMs(queueId) >= keepFromMs && removed >= tooMany) break
      ops.push({ type: 'del', key })
      const messageId = decode(value)?.messageId
      if (messageId) ops.push({ type: 'del', key: `${messageKey(messageId)}${queueId}` })
      removed++
    }
    records = Math.max(0, records - removed)
    await database.write([...ops, countRecord()])
    return removed
  }

  function pruneInBackground(nowMs: number): void {
    pruning ??= prune(nowMs)
      .catch((error: unknown) => {
        settings.logger?.warn({ err: error }, 'old traces could not be removed')
        return 0
      })
      .finally(() => {
        pruning = null
      })
  }

  async function eventsOf(queueId: string): Promise<TraceEvent[]> {
    const events: TraceEvent[] = []
    for await (const [, bytes] of database.prefix(`t!e!${queueId}!`)) {
      const record = decode(bytes)
      for (const event of record?.events ?? []) {
        events.push({ ...event, queueId, messageId: record?.messageId ?? '' })
      }
    }
    return events
  }

  /** False where the letter can be found by its Message-ID already: its events come one after the other. */
  function isNew(queueId: string, messageId: string): boolean {
    if (indexed.get(queueId) === messageId || indexedBefore.get(queueId) === messageId) return false
    indexed.set(queueId, messageId)
    // Forgotten by halves: taking out the oldest one by one would make a Map slower and slower.
    if (indexed.size * 2 >= limits.traceIndexedMax) {
      indexedBefore = indexed
      indexed = new Map()
    }
    return true
  }

  return {
    add(events) {
      const ops: DatabaseOp[] = []
      for (let at = 0; at < events.length;) {
        const { queueId, messageId, atMs } = events[at] as TraceEvent
        const together: StoredEvent[] = []
        for (; events[at]?.queueId === queueId && events[at]?.messageId === messageId; at++) {
          const event = events[at] as TraceEvent
          together.push({
            atMs: event.atMs,
            node: event.node,
            what: event.what,
            recipient: event.recipient,
            detail: event.detail,
          })
        }
        const key = `t!e!${queueId}!${timePrefix(atMs)}-${String(serial++ % 1_000_000).padStart(6, '0')}`
        ops.push({ type: 'put', key, value: encode({ messageId, events: together }) })
        if (messageId !== '' && isNew(queueId, messageId)) {
          ops.push({ type: 'put', key: `${messageKey(messageId)}${queueId}`, value: Buffer.of(recordVersion) })
        }
        if (records !== null) records++
        sincePrune++
      }
      database.writeLazily(ops)
      if (sincePrune < limits.tracePruneEvery) return
      sincePrune = 0
      pruneInBackground(events.at(-1)?.atMs ?? 0)
    },

    async find(key) {
      const bare = key.replace(/^<(.*)>$/s, '$1')
      if (bare === '') return []
      // What was added a moment ago may still wait to be written; where nothing can be, what is there is told.
      await database.write([]).catch(() => {})
      const ids = new Set(/^[0-9A-HJKMNP-TV-Z]{26}$/.test(bare) ? [bare] : [])
      const prefix = messageKey(bare)
      for await (const [found] of database.prefix(prefix)) ids.add(found.slice(prefix.length))
      const events: TraceEvent[] = []
      for (const id of ids) events.push(...(await eventsOf(id)))
      return events.sort((a, b) => a.atMs - b.atMs)
    },

    prune,
  }
}
