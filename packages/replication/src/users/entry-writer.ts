// Claimed names on their way into this node's users' documents: one transaction for each shard, the proofs of the registrars beside
// the entries, and the note that a name is being claimed gone in the same commit.
import { decodeEntryValue, encodeEntryValue } from '../claims/entry-value.ts'
import type { EntryValue } from '../claims/entry-value.ts'
import { registrarKey } from '../claims/registrars.ts'
import type { HybridClock } from '../hybrid-clock.ts'
import type { AddedUser } from '../ledger-api.ts'
import { shardCount, shardOf, usersDocument } from '../map/address-hash.ts'
import type { UserMap } from '../map/user-map.ts'
import type { LedgerOp } from '../ports.ts'
import type { ClaimOutcome, Grant, WantedName } from '../registrar/claimant.ts'
import type { Intents } from '../registrar/intents.ts'
import { certificateKey, encodeCertificate } from '../registrar/promise.ts'
import type { Changes } from '../streams/documents.ts'
import type { Streams } from '../streams/streams.ts'

export interface EntryWriterComponents {
  time: HybridClock
  streams: Streams
  map: UserMap
  intents: Intents
  /** These names stand confirmed in the map: this node's own promises for them may go. */
  dropOwnPromises(names: readonly { address: string; accountId: string }[]): Promise<void>
}

export interface Claimed {
  name: WantedName
  outcome: ClaimOutcome
}

/** Shards that a long list is written to side by side: each document is held in memory meanwhile. */
const shardsAtOnce = 3
/** Bytes of entries in one batch, which must stay under its limit with all that surrounds them. */
const entryBytesPerBatch = 320 * 1024

export class EntryWriter {
  readonly #components: EntryWriterComponents

  constructor(components: EntryWriterComponents) {
    this.#components = components
  }

  /** New entries. A name that the map gave away meanwhile is left out, and given back to the registrars. */
  async add(claimed: readonly Claimed[]): Promise<AddedUser[]> {
    const added: AddedUser[] = []
    await this.#byShard(claimed, async (shard, items) => {
      for (const part of splitByBytes(items)) await this.#addToShard(shard, part, added)
    })
    return added
  }

  /** Entries that are in the map without enough promises, and have them now. */
  async confirm(claimed: readonly Claimed[]): Promise<void> {
    await this.#byShard(claimed, async (shard, items) => {
      for (const part of splitByBytes(items)) await this.#confirmInShard(shard, part)
    })
  }

  async #byShard(
    claimed: readonly Claimed[],
    work: (shard: number, items: readonly Claimed[]) => Promise<void>,
  ): Promise<void> {
    const byShard = new Map<number, Claimed[]>()
    for (const item of claimed) {
      const shard = shardOf(item.name.address)
      const list = byShard.get(shard)
      if (list) list.push(item)
      else byShard.set(shard, [item])
    }
    const waiting = [...byShard]
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await work(...next)
    }
    const workers = claimed.length > shardCount * shardCount ? shardsAtOnce : shardCount
    const results = await Promise.allSettled(Array.from({ length: workers }, worker))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async #addToShard(shard: number, items: readonly Claimed[], added: AddedUser[]): Promise<void> {
    const { map, streams, intents } = this.#components
    const written: AddedUser[] = []
    await streams.transact(usersDocument(shard), async () => {
      const write: Changes = new Map()
      const ops: LedgerOp[] = []
      const certificates = new Map<Uint8Array, number>()
      const addresses = items.map(({ name }) => name.address)
      const held = await map.takenAmong(shard, addresses)
      for (const { name, outcome } of items) {
        const { address, accountId } = name
        const { registrars } = outcome
        if (held.has(address)) {
          ops.push(intents.put({ ...name, state: 'releasing', registrars }))
          continue
        }
        const confirmed = outcome.standing === 'confirmed'
        write.set(address, encodeEntryValue(this.#valueOf(name, outcome, certificates, write)))
        const settled = confirmed ? intents.remove(name) : intents.put({ ...name, state: 'provisional', registrars })
        if (settled) ops.push(settled)
        written.push({ address, accountId, state: confirmed ? 'confirmed' : 'provisional' })
      }
      return { write, ops }
    })
    added.push(...written)
    const promised = items.filter(({ outcome }) => outcome.standing === 'confirmed' && outcome.registrars.length > 0)
    if (promised.length > 0) await this.#components.dropOwnPromises(promised.map(({ name }) => name))
  }

  async #confirmInShard(shard: number, items: readonly Claimed[]): Promise<void> {
    const { streams, intents } = this.#components
    await streams.transact(usersDocument(shard), async (held) => {
      const write: Changes = new Map()
      const certificates = new Map<Uint8Array, number>()
      for (const { name, outcome } of items) {
        const bytes = held.get(name.address)
        const value = bytes && decodeEntryValue(bytes)
        if (value?.accountId !== name.accountId) continue
        const { registrars, acknowledgements } = this.#valueOf(name, outcome, certificates, write)
        write.set(name.address, encodeEntryValue({ ...value, registrars, acknowledgements }))
      }
      const ops = items.map(({ name }) => intents.remove(name)).filter((op) => op !== undefined)
      return { write, ops }
    })
    await this.#components.dropOwnPromises(items.map(({ name }) => name))
  }

  /** The entry; lists that many acknowledgements share are written once beside it. */
  #valueOf(name: WantedName, outcome: ClaimOutcome, certificates: Map<Uint8Array, number>, write: Changes): EntryValue {
    const acknowledge = ({ registrar, proof }: Grant) => {
      if (proof.kind === 'single') return { registrar, proof: proof.signature }
      let number = certificates.get(proof.signature)
      if (number === undefined) {
        number = this.#components.time.next()
        certificates.set(proof.signature, number)
        write.set(certificateKey(number), encodeCertificate(proof.digests, proof.signature))
      }
      return { registrar, proof: number }
    }
    return {
      accountId: name.accountId,
      epoch: 1,
      claimTime: name.claimTime,
      suspended: false,
      registrars: registrarKey(outcome.registrars),
      // Too few promises are none: an entry that shows any counts its owner's own word to them.
      acknowledgements: outcome.standing === 'confirmed' ? outcome.grants.map(acknowledge) : [],
      replicas: [],
      inSync: [],
      extra: [],
    }
  }
}

function splitByBytes(items: readonly Claimed[]): Claimed[][] {
  const parts: Claimed[][] = []
  let part: Claimed[] = []
  let bytes = 0
  for (const item of items) {
    const size = item.name.address.length * 3 + 64 + item.outcome.grants.length * 120
    if (bytes + size > entryBytesPerBatch && part.length > 0) {
      parts.push(part)
      part = []
      bytes = 0
    }
    part.push(item)
    bytes += size
  }
  if (part.length > 0) parts.push(part)
  return parts
}
