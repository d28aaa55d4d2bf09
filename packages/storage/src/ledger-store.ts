// The ledger in level: membership under `m!`, batches `l!`, snapshots `s!`, heads `h!`, pages of the map `d!` and of accounts `i!`,
// disputed names `c!`, promises `p!`, names being claimed `n!`, votes `v!`, the rest `g!`. Layout: docs/internals/data-layout.md.
import type { LedgerOp, LedgerStore, StoredBatch, StreamName } from '@skein/replication'
import type { Database, DatabaseOp } from './database.ts'

const pagesPerShard = 256

/** Sorts as the numbers do: 14 hex digits hold every safe integer. */
function numberKey(seq: number): string {
  return seq.toString(16).padStart(14, '0')
}

function pageKey(shard: number, page: number): string {
  return `${shard.toString(16).padStart(2, '0')}!${page.toString(16).padStart(2, '0')}`
}

function streamKey({ author, document }: StreamName): string {
  return `${author}!${document}`
}

function batchKey(stream: StreamName, seq: number, hash: string): string {
  return `l!${streamKey(stream)}!${numberKey(seq)}!${hash}`
}

function afterSeq(stream: StreamName, seq: number): string {
  return `l!${streamKey(stream)}!${numberKey(seq + 1)}!`
}

function putOrDelete(key: string, value: Uint8Array | null): DatabaseOp {
  return value ? { type: 'put', key, value } : { type: 'del', key }
}

const nothing = Buffer.alloc(0)

function databaseOp(op: LedgerOp): DatabaseOp {
  switch (op.op) {
    case 'membership':
      return putOrDelete(`m!${op.hash}`, op.bytes)
    case 'batch':
      return putOrDelete(batchKey(op.stream, op.seq, op.hash), op.bytes)
    case 'drop-batches':
      return { type: 'del-range', gte: afterSeq(op.stream, op.above), lt: afterSeq(op.stream, op.upTo) }
    case 'head':
      return putOrDelete(`h!${streamKey(op.stream)}`, op.bytes)
    case 'snapshot':
      return putOrDelete(`s!${streamKey(op.stream)}`, op.bytes)
    case 'place-page':
      return putOrDelete(`d!${pageKey(op.shard, op.page)}`, op.bytes)
    case 'account-page':
      return putOrDelete(`i!${pageKey(op.shard, op.bucket)}`, op.bytes)
    case 'conflict':
      return putOrDelete(`c!${op.address}`, op.present ? nothing : null)
    case 'promise':
      return putOrDelete(`p!${op.address}`, op.bytes)
    case 'intent':
      return putOrDelete(`n!${op.name}`, op.bytes)
    case 'vote':
      return putOrDelete(`v!${op.subject}`, op.bytes)
    default:
      return putOrDelete(`g!${op.name}`, op.bytes)
  }
}

export function createLedgerStore(database: Database): LedgerStore {
  async function* named(prefix: string): AsyncIterable<[string, Uint8Array]> {
    for await (const [key, bytes] of database.prefix(prefix)) yield [key.slice(prefix.length), bytes]
  }
  const pages = (prefix: string, shard: number) =>
    database.getMany(Array.from({ length: pagesPerShard }, (_, page) => `${prefix}${pageKey(shard, page)}`))
  return {
    commit: (ops) => database.write(ops.map(databaseOp)),
    async *membership() {
      for await (const [, bytes] of named('m!')) yield bytes
    },
    async *heads() {
      for await (const [name, bytes] of named('h!')) {
        const end = name.indexOf('!')
        yield { stream: { author: name.slice(0, end), document: name.slice(end + 1) }, bytes }
      }
    },
    async *batches(stream, above) {
      const range = { gte: afterSeq(stream, above), lt: `l!${streamKey(stream)}!g` }
      for await (const [key, bytes] of database.range(range)) yield storedBatch(key, bytes)
    },
    batch: (stream, seq, hash) => database.get(batchKey(stream, seq, hash)),
    snapshot: (stream) => database.get(`s!${streamKey(stream)}`),
    placePage: (shard, page) => database.getSync(`d!${pageKey(shard, page)}`),
    placePages: (shard) => pages('d!', shard),
    accountPage: (shard, bucket) => database.getSync(`i!${pageKey(shard, bucket)}`),
    accountPages: (shard) => pages('i!', shard),
    async *conflicts() {
      for await (const [address] of named('c!')) yield address
    },
    async *promises() {
      for await (const [address, bytes] of named('p!')) yield { address, bytes }
    },
    async *intents() {
      for await (const [name, bytes] of named('n!')) yield { name, bytes }
    },
    vote: (subject) => database.get(`v!${subject}`),
    meta: (name) => database.get(`g!${name}`),
  }
}

function storedBatch(key: string, bytes: Uint8Array): StoredBatch {
  const hashAt = key.lastIndexOf('!')
  const seqAt = key.lastIndexOf('!', hashAt - 1)
  return { seq: Number.parseInt(key.slice(seqAt + 1, hashAt), 16), hash: key.slice(hashAt + 1), bytes }
}
