// What the mesh knows of those who knock, in level: `j!r!<author>!<kind>!<key>` and, up to where an author was heard, `j!h!<author>`.
// Promises: records and how far they reach are written together; what a later version wrote is told again by its author.
import { type JudgementStore, decodeRecord, encodeRecord } from '@skein/filtering'
import type { Logger } from '@skein/runtime'
import { type Database, type DatabaseOp, afterPrefix } from './database.ts'

const recordVersion = 1

/** Node ids hold no `!`; keys may hold anything. */
const recordKey = (author: string, kind: string, key: string): string => `j!r!${author}!${kind}!${key}`
const heardKey = (author: string): string => `j!h!${author}`

function withVersion(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(recordVersion), bytes])
}

export function createJudgementStore(database: Database, { logger }: { logger?: Logger } = {}): JudgementStore {
  return {
    async load(nowMs) {
      const records = []
      const heard = new Map<string, number>()
      const unreadable = new Set<string>()
      const over: DatabaseOp[] = []
      for await (const [key, value] of database.prefix('j!h!')) {
        const upTo = value[0] === recordVersion ? Number(Buffer.from(value.subarray(1)).toString()) : Number.NaN
        if (Number.isSafeInteger(upTo)) heard.set(key.slice('j!h!'.length), upTo)
      }
      for await (const [key, value] of database.prefix('j!r!')) {
        const author = key.slice('j!r!'.length, key.indexOf('!', 'j!r!'.length))
        try {
          const record = value[0] === recordVersion ? decodeRecord(value.subarray(1), nowMs) : undefined
          if (!record) unreadable.add(author)
          else if (record.untilMs <= nowMs) over.push({ type: 'del', key })
          else records.push({ author, record })
        } catch (error) {
          logger?.warn({ key, error: String(error) }, 'a record of those who knock can not be read')
          unreadable.add(author)
          over.push({ type: 'del', key })
        }
      }
      for (const author of unreadable) heard.delete(author)
      if (over.length > 0) database.writeLazily(over)
      return { records, heard }
    },

    async save({ put, remove, heard, forget }) {
      const ops: DatabaseOp[] = []
      for (const author of forget) {
        ops.push({ type: 'del', key: heardKey(author) })
        const prefix = `j!r!${author}!`
        for await (const key of database.keysOf({ gte: prefix, lt: afterPrefix(prefix) }))
          ops.push({ type: 'del', key })
      }
      for (const { author, record } of put) {
        ops.push({
          type: 'put',
          key: recordKey(author, record.kind, record.key),
          value: withVersion(encodeRecord(record)),
        })
      }
      for (const { author, kind, key } of remove) ops.push({ type: 'del', key: recordKey(author, kind, key) })
      for (const [author, upTo] of heard) {
        ops.push({ type: 'put', key: heardKey(author), value: withVersion(Buffer.from(String(upTo))) })
      }
      await database.write(ops)
    },
  }
}
