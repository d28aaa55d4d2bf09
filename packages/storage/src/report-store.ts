// Reports in level: collected days under `r!d!<kind>!<day>!<domain>`, received reports under `r!r!<id>`; each a version byte,
// then JSON. What a newer version wrote is passed over.
import type { CollectedDay, DayKey, ReceivedReport, ReportStore } from '@skein/reports'
import { type Database, type DatabaseOp, afterPrefix } from './database.ts'

const recordVersion = 1
const daysPrefix = 'r!d!'
const receivedPrefix = 'r!r!'

function keyOf({ kind, day, domain }: DayKey): string {
  return `${daysPrefix}${kind}!${day}!${domain}`
}

function encode(record: unknown): Uint8Array {
  return Buffer.concat([Buffer.of(recordVersion), Buffer.from(JSON.stringify(record))])
}

function decode(bytes: Uint8Array | undefined): unknown {
  if (bytes?.[0] !== recordVersion) return undefined
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1).toString())
}

export function createReportStore(database: Database): ReportStore {
  const removed = (keys: readonly string[]) => database.write(keys.map((key): DatabaseOp => ({ type: 'del', key })))
  return {
    putDays: (days) => database.write(days.map((day) => ({ type: 'put', key: keyOf(day), value: encode(day) }))),
    getDay: async (key) => decode(await database.get(keyOf(key))) as CollectedDay | undefined,
    async *days() {
      for await (const [, bytes] of database.prefix(daysPrefix)) {
        const day = decode(bytes) as CollectedDay | undefined
        if (day) yield day
      }
    },
    removeDays: (keys) => removed(keys.map(keyOf)),
    putReceived: (report) => database.write([{ type: 'put', key: receivedPrefix + report.id, value: encode(report) }]),
    getReceived: async (id) => decode(await database.get(receivedPrefix + id)) as ReceivedReport | undefined,
    async *received() {
      const keys: string[] = []
      for await (const key of database.keysOf({ gte: receivedPrefix, lt: afterPrefix(receivedPrefix) })) keys.push(key)
      for (const key of keys.reverse()) {
        const report = decode(await database.get(key)) as ReceivedReport | undefined
        if (report) yield report
      }
    },
    removeReceived: (ids) => removed(ids.map((id) => receivedPrefix + id)),
  }
}
