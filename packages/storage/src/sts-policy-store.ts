// MTA-STS policies of other domains in level: one JSON record for each under `w!sts!<domain>`; the first byte is its version.
import { type StsPolicyRecord, type StsPolicyStore, hasExpired } from '@skein/delivery'
import type { Database, DatabaseOp } from './database.ts'

const recordVersion = 1
const prefix = 'w!sts!'
const opsAtOnce = 500

function encode(record: StsPolicyRecord): Uint8Array {
  return Buffer.concat([Buffer.from([recordVersion]), Buffer.from(JSON.stringify(record))])
}

/** Undefined for a record of a later version: such a policy is fetched again. */
function decode(bytes: Uint8Array): StsPolicyRecord | undefined {
  if (bytes[0] !== recordVersion) return undefined
  return JSON.parse(Buffer.from(bytes.subarray(1)).toString()) as StsPolicyRecord
}

export function createStsPolicyStore(database: Database): StsPolicyStore {
  return {
    async get(domain) {
      const bytes = await database.get(prefix + domain)
      return bytes && decode(bytes)
    },
    put: (record) => database.write([{ type: 'put', key: prefix + record.domain, value: encode(record) }]),
    async sweep(nowMs) {
      let swept = 0
      let ops: DatabaseOp[] = []
      for await (const [key, bytes] of database.prefix(prefix)) {
        const record = decode(bytes)
        if (!record || !hasExpired(record, nowMs)) continue
        ops.push({ type: 'del', key })
        swept += 1
        if (ops.length < opsAtOnce) continue
        await database.write(ops)
        ops = []
      }
      if (ops.length > 0) await database.write(ops)
      return swept
    },
  }
}
