// The ledger's store in memory, with the promises of the one in level: a commit is whole, and durable once it resolves.
import type { LedgerOp, LedgerStore, StreamName } from '@skein/replication'
import { SyncedWrites, type MemoryDiskSettings } from './synced-writes.ts'

export interface MemoryLedgerStore extends LedgerStore {
  /** Cuts the power: this store never answers again. Returns the store as the next start finds it. */
  crash(): MemoryLedgerStore
}

interface Batch {
  seq: number
  hash: string
  bytes: Uint8Array
}

/** What lies on the disk. */
interface Contents {
  membership: Map<string, Uint8Array>
  batches: Map<string, Batch[]>
  heads: Map<string, { stream: StreamName; bytes: Uint8Array }>
  snapshots: Map<string, Uint8Array>
  places: Map<number, Uint8Array>
  accounts: Map<number, Uint8Array>
  conflicts: Set<string>
  promises: Map<string, Uint8Array>
  intents: Map<string, Uint8Array>
  votes: Map<string, Uint8Array>
  meta: Map<string, Uint8Array>
}

const pagesPerShard = 256

export function createMemoryLedgerStore(settings: MemoryDiskSettings = {}): MemoryLedgerStore {
  const contents: Contents = {
    membership: new Map(),
    batches: new Map(),
    heads: new Map(),
    snapshots: new Map(),
    places: new Map(),
    accounts: new Map(),
    conflicts: new Set(),
    promises: new Map(),
    intents: new Map(),
    votes: new Map(),
    meta: new Map(),
  }
  return openMemoryLedgerStore(contents, settings)
}

function keyOf({ author, document }: StreamName): string {
  return `${author}!${document}`
}

function setOrDelete<Key>(map: Map<Key, Uint8Array>, key: Key, bytes: Uint8Array | null): void {
  if (bytes) map.set(key, Uint8Array.from(bytes))
  else map.delete(key)
}

function putBatch(list: Batch[], batch: Batch): Batch[] {
  const others = list.filter(({ seq, hash }) => seq !== batch.seq || hash !== batch.hash)
  return [...others, batch].sort((a, b) => a.seq - b.seq || (a.hash < b.hash ? -1 : 1))
}

function apply(contents: Contents, op: LedgerOp): void {
  switch (op.op) {
    case 'membership':
      return setOrDelete(contents.membership, op.hash, op.bytes)
    case 'batch': {
      const { seq, hash, bytes } = op
      const list = contents.batches.get(keyOf(op.stream)) ?? []
      contents.batches.set(keyOf(op.stream), putBatch(list, { seq, hash, bytes: Uint8Array.from(bytes) }))
      return
    }
    case 'drop-batches': {
      const list = contents.batches.get(keyOf(op.stream)) ?? []
      contents.batches.set(
        keyOf(op.stream),
        list.filter(({ seq }) => seq <= op.above || seq > op.upTo),
      )
      return
    }
    case 'head':
      if (op.bytes) contents.heads.set(keyOf(op.stream), { stream: { ...op.stream }, bytes: Uint8Array.from(op.bytes) })
      else contents.heads.delete(keyOf(op.stream))
      return
    case 'snapshot':
      return setOrDelete(contents.snapshots, keyOf(op.stream), op.bytes)
    case 'place-page':
      return setOrDelete(contents.places, op.shard * pagesPerShard + op.page, op.bytes)
    case 'account-page':
      return setOrDelete(contents.accounts, op.shard * pagesPerShard + op.bucket, op.bytes)
    case 'conflict':
      if (op.present) contents.conflicts.add(op.address)
      else contents.conflicts.delete(op.address)
      return
    case 'promise':
      return setOrDelete(contents.promises, op.address, op.bytes)
    case 'intent':
      return setOrDelete(contents.intents, op.name, op.bytes)
    case 'vote':
      return setOrDelete(contents.votes, op.subject, op.bytes)
    case 'meta':
      return setOrDelete(contents.meta, op.name, op.bytes)
  }
}

function openMemoryLedgerStore(contents: Contents, settings: MemoryDiskSettings): MemoryLedgerStore {
  const disk = new SyncedWrites(settings)
  async function* listed<Item>(take: () => Item[]): AsyncIterable<Item> {
    for (const item of await disk.read(take)) yield item
  }
  const pages = (from: Map<number, Uint8Array>, shard: number) =>
    disk.read(() => Array.from({ length: pagesPerShard }, (_, page) => from.get(shard * pagesPerShard + page)))
  return {
    commit(ops) {
      const copy = [...ops]
      return disk.write(() => {
        for (const op of copy) apply(contents, op)
      })
    },
    membership: () => listed(() => [...contents.membership].sort(byKey).map(([, bytes]) => bytes)),
    heads: () => listed(() => [...contents.heads].sort(byKey).map(([, head]) => head)),
    batches: (stream, above) =>
      listed(() => (contents.batches.get(keyOf(stream)) ?? []).filter(({ seq }) => seq > above)),
    batch: (stream, seq, hash) =>
      disk.read(
        () => contents.batches.get(keyOf(stream))?.find((batch) => batch.seq === seq && batch.hash === hash)?.bytes,
      ),
    snapshot: (stream) => disk.read(() => contents.snapshots.get(keyOf(stream))),
    placePage: (shard, page) => contents.places.get(shard * pagesPerShard + page),
    placePages: (shard) => pages(contents.places, shard),
    accountPage: (shard, bucket) => contents.accounts.get(shard * pagesPerShard + bucket),
    accountPages: (shard) => pages(contents.accounts, shard),
    conflicts: () => listed(() => [...contents.conflicts].sort()),
    promises: () => listed(() => [...contents.promises].sort(byKey).map(([address, bytes]) => ({ address, bytes }))),
    intents: () => listed(() => [...contents.intents].sort(byKey).map(([name, bytes]) => ({ name, bytes }))),
    vote: (subject) => disk.read(() => contents.votes.get(subject)),
    meta: (name) => disk.read(() => contents.meta.get(name)),
    crash() {
      disk.crash()
      return openMemoryLedgerStore(contents, settings)
    },
  }
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
