// The judgement in memory. What was saved stays for as long as the object does.
import type { JudgementStore, StoredRecord } from '@skein/filtering'

export function createMemoryJudgementStore(): JudgementStore {
  const records = new Map<string, StoredRecord>()
  const heard = new Map<string, number>()
  const keyOf = (author: string, kind: string, key: string) => JSON.stringify([author, kind, key])
  return {
    async load(nowMs) {
      const kept = [...records.values()].filter(({ record }) => record.untilMs > nowMs)
      return { records: structuredClone(kept), heard: new Map(heard) }
    },
    async save({ put, remove, heard: heardNow, forget }) {
      for (const author of forget) {
        heard.delete(author)
        for (const [key, stored] of records) if (stored.author === author) records.delete(key)
      }
      for (const { author, record } of put) {
        records.set(keyOf(author, record.kind, record.key), structuredClone({ author, record }))
      }
      for (const { author, kind, key } of remove) records.delete(keyOf(author, kind, key))
      for (const [author, upTo] of heardNow) heard.set(author, upTo)
    },
  }
}
