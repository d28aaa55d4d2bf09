// The users of this node: their names claimed from the registrars, written into this node's own documents, confirmed later where the
// registrars could not be reached at first.
import type { AccountId } from '@skein/accounts'
import { SkeinError } from '@skein/runtime'
import type { Clock, NodeId, Random } from '@skein/runtime'
import { decodeEntryValue, encodeEntryValue } from '../claims/entry-value.ts'
import type { EntryValue } from '../claims/entry-value.ts'
import { registrarKey } from '../claims/registrars.ts'
import { looksRenamed } from '../claims/resolution.ts'
import type { HybridClock } from '../hybrid-clock.ts'
import { hex } from '../identity.ts'
import type { AddedUser, BulkOutcome } from '../ledger-api.ts'
import type { LedgerSettings } from '../limits.ts'
import { shardCount, shardOf, usersDocument } from '../map/address-hash.ts'
import type { UserMap } from '../map/user-map.ts'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import type { Claimant, ClaimOutcome, Grant, WantedName } from '../registrar/claimant.ts'
import type { Intents } from '../registrar/intents.ts'
import { certificateKey, encodeCertificate } from '../registrar/promise.ts'
import type { Changes } from '../streams/documents.ts'
import type { Streams } from '../streams/streams.ts'

export interface HomeUsersComponents {
  self: NodeId
  store: LedgerStore
  clock: Clock
  random: Random
  time: HybridClock
  streams: Streams
  map: UserMap
  intents: Intents
  claimant: Claimant
  registrarsOf(address: string): NodeId[]
  /** @throws SkeinError `bad-address`, `no-such-domain` */
  checkAddress(address: string): void
  isAlias(address: string): boolean
  /** Once per address that settled: registrars' promises of this node may go. */
  dropOwnPromises(names: readonly { address: string; accountId: string }[]): Promise<void>
}

interface Claimed {
  name: WantedName
  outcome: ClaimOutcome
}

/** Gathers callers of one moment: they share requests to registrars, a signature and a sync. */
const gatherMs = 2
/** Shards that a long list is written to side by side. */
const shardsAtOnce = 3
/** Users taken from a bulk list at once. */
const bulkSlice = 262_144
/** Bytes of entries in one batch, which must stay under its limit with all that surrounds them. */
const entryBytesPerBatch = 320 * 1024

export class HomeUsers {
  readonly #components: HomeUsersComponents
  readonly #settings: LedgerSettings
  readonly #pending = new Set<string>()
  #gathering: { name: WantedName; resolve(outcome: ClaimOutcome): void; reject(error: unknown): void }[] = []

  constructor(components: HomeUsersComponents, settings: LedgerSettings) {
    this.#components = components
    this.#settings = settings
  }

  get adding(): number {
    return this.#pending.size
  }

  async add(address: string): Promise<AddedUser> {
    this.#checkName(address)
    if (this.#components.map.lookup(address)) throw taken(address)
    this.#pending.add(address)
    try {
      const name = this.#newName(address, this.#components.random.bytes(16))
      const outcome = await this.#gather(name)
      if (outcome.standing === 'taken') throw taken(address)
      const [added] = await this.#write([{ name, outcome }])
      if (!added) throw taken(address)
      return added
    } finally {
      this.#pending.delete(address)
    }
  }

  /** Everything but the map, which bulk additions ask page by page. */
  #checkName(address: string): void {
    const { isAlias, checkAddress } = this.#components
    checkAddress(address)
    if (looksRenamed(address)) {
      throw new SkeinError('bad-address', 'refused', `${address} looks like a name that a conflict left behind`)
    }
    if (this.#pending.has(address) || isAlias(address)) throw taken(address)
  }

  #newName(address: string, accountId: Uint8Array): WantedName {
    return { address, accountId: hex(accountId), claimTime: this.#components.time.next() }
  }

  #alone(address: string): boolean {
    const registrars = this.#components.registrarsOf(address)
    return registrars.length <= 1 && (registrars[0] ?? this.#components.self) === this.#components.self
  }

  #gather(name: WantedName): Promise<ClaimOutcome> {
    if (this.#alone(name.address)) return Promise.resolve({ standing: 'confirmed', registrars: [], grants: [] })
    return new Promise((resolve, reject) => {
      this.#gathering.push({ name, resolve, reject })
      if (this.#gathering.length === 1) this.#components.clock.setTimer(gatherMs, () => this.#claimGathered())
    })
  }

  #claimGathered(): void {
    const gathered = this.#gathering
    this.#gathering = []
    this.#claim(gathered.map(({ name }) => name)).then(
      (outcomes) => gathered.forEach(({ resolve }, i) => resolve(outcomes[i] as ClaimOutcome)),
      (error: unknown) => gathered.forEach(({ reject }) => reject(error)),
    )
  }

  /** Durable intent first, then the registrars; names that others have are given back. */
  async #claim(names: readonly WantedName[]): Promise<ClaimOutcome[]> {
    const { store, intents, claimant, registrarsOf } = this.#components
    await store.commit(
      names.map((name) => intents.put({ ...name, state: 'claiming', registrars: registrarsOf(name.address) })),
    )
    const outcomes = await claimant.claim(names, this.#settings.claimWaitMs)
    const ops: LedgerOp[] = []
    for (const [i, outcome] of outcomes.entries()) {
      const name = names[i]
      if (!name || outcome.standing !== 'taken') continue
      ops.push(intents.put({ ...name, state: 'releasing', registrars: outcome.registrars }))
    }
    if (ops.length > 0) {
      await store.commit(ops)
      this.onRelease()
    }
    return outcomes
  }

  /** Set by whoever tells registrars: there is something to give back. */
  onRelease: () => void = () => {}

  /** Writes claimed names into the shards' documents; a name that the map gave away meanwhile is left out and given back. */
  async #write(claimed: readonly Claimed[]): Promise<AddedUser[]> {
    const byShard = new Map<number, Claimed[]>()
    for (const item of claimed) {
      const shard = shardOf(item.name.address)
      const list = byShard.get(shard)
      if (list) list.push(item)
      else byShard.set(shard, [item])
    }
    const added: AddedUser[] = []
    // A few documents at a time: each of them is held in memory while it is written.
    const waiting = [...byShard]
    const writer = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await this.#writeShard(...next, added)
    }
    const writers = claimed.length > shardsAtOnce * 64 ? shardsAtOnce : shardCount
    const results = await Promise.allSettled(Array.from({ length: writers }, writer))
    for (const result of results) if (result.status === 'rejected') throw result.reason
    return added
  }

  async #writeShard(shard: number, items: readonly Claimed[], added: AddedUser[]): Promise<void> {
    for (const part of splitByBytes(items)) {
      const written: AddedUser[] = []
      const confirmed: { address: string; accountId: string }[] = []
      await this.#components.streams.transact(usersDocument(shard), async () => {
        const write: Changes = new Map()
        const ops: LedgerOp[] = []
        const certificates = new Map<Uint8Array, number>()
        const addresses = part.map(({ name }) => name.address)
        const held = await this.#components.map.takenAmong(shard, addresses)
        for (const { name, outcome } of part) {
          if (held.has(name.address)) {
            ops.push(this.#releasing(name, outcome.registrars))
            continue
          }
          const value = this.#valueOf(name, outcome, certificates, write)
          write.set(name.address, encodeEntryValue(value))
          ops.push(...this.#intentOps(name, outcome))
          const { standing } = outcome
          if (standing === 'confirmed' && outcome.registrars.length > 0) confirmed.push(name)
          written.push({
            address: name.address,
            accountId: name.accountId,
            state: standing === 'confirmed' ? 'confirmed' : 'provisional',
          })
        }
        return { write, ops }
      })
      added.push(...written)
      if (confirmed.length > 0) await this.#components.dropOwnPromises(confirmed)
    }
  }

  #releasing(name: WantedName, registrars: NodeId[]): LedgerOp {
    return this.#components.intents.put({ ...name, state: 'releasing', registrars })
  }

  #intentOps(name: WantedName, outcome: ClaimOutcome): LedgerOp[] {
    const { intents } = this.#components
    if (outcome.standing === 'provisional') {
      return [intents.put({ ...name, state: 'provisional', registrars: outcome.registrars })]
    }
    const gone = intents.remove(name)
    return gone ? [gone] : []
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

  async addMany(addresses: Iterable<string>): Promise<BulkOutcome> {
    const outcome: BulkOutcome = { added: [], refused: [] }
    let slice: string[] = []
    for (const address of addresses) {
      slice.push(address)
      if (slice.length < bulkSlice) continue
      await this.#addSlice(slice, outcome)
      slice = []
    }
    await this.#addSlice(slice, outcome)
    return outcome
  }

  async #addSlice(addresses: readonly string[], bulk: BulkOutcome): Promise<void> {
    const names: WantedName[] = []
    try {
      for (const free of await this.#freeAmong(addresses, bulk)) {
        const ids = this.#components.random.bytes(16 * free.length)
        for (const [i, address] of free.entries()) {
          this.#pending.add(address)
          names.push(this.#newName(address, ids.subarray(i * 16, i * 16 + 16)))
        }
      }
      const alone: Claimed[] = []
      const shared: WantedName[] = []
      for (const name of names) {
        if (this.#alone(name.address))
          alone.push({ name, outcome: { standing: 'confirmed', registrars: [], grants: [] } })
        else shared.push(name)
      }
      await this.#writeListed(alone, bulk)
      // They are in the order of their shards, so that the claims of one request share few signatures.
      const step = this.#settings.claimsPerRequest
      for (let i = 0; i < shared.length; i += step) {
        const part = shared.slice(i, i + step)
        const outcomes = await this.#claim(part)
        const claimed: Claimed[] = []
        for (const [k, name] of part.entries()) {
          const outcome = outcomes[k]
          if (!outcome || outcome.standing === 'taken')
            bulk.refused.push({ address: name.address, code: 'address-taken' })
          else claimed.push({ name, outcome })
        }
        await this.#writeListed(claimed, bulk)
      }
    } finally {
      for (const { address } of names) this.#pending.delete(address)
    }
  }

  /** What may be added, by shard; the others are noted as refused. */
  async #freeAmong(addresses: readonly string[], bulk: BulkOutcome): Promise<string[][]> {
    const byShard = Array.from({ length: shardCount }, (): Set<string> => new Set())
    for (const address of addresses) {
      try {
        this.#checkName(address)
        const shard = byShard[shardOf(address)]
        if (shard?.has(address)) throw taken(address)
        shard?.add(address)
      } catch (error) {
        if (!(error instanceof SkeinError)) throw error
        bulk.refused.push({ address, code: error.code })
      }
    }
    const free: string[][] = []
    for (const [shard, wanted] of byShard.entries()) {
      const list = [...wanted]
      const held = await this.#components.map.takenAmong(shard, list)
      for (const address of held) bulk.refused.push({ address, code: 'address-taken' })
      free.push(held.size === 0 ? list : list.filter((address) => !held.has(address)))
    }
    return free
  }

  async #writeListed(claimed: readonly Claimed[], bulk: BulkOutcome): Promise<void> {
    if (claimed.length === 0) return
    const added = await this.#write(claimed)
    for (const user of added) bulk.added.push(user)
    if (added.length === claimed.length) return
    const written = new Set(added.map(({ accountId }) => accountId))
    for (const { name } of claimed) {
      if (!written.has(name.accountId)) bulk.refused.push({ address: name.address, code: 'address-taken' })
    }
  }

  /** This node's own claim behind the name by which the user is known now. */
  #ownClaim(address: string): { key: string; accountId: AccountId } {
    const { map, self } = this.#components
    const entry = map.lookup(address)
    if (!entry) throw new SkeinError('no-such-user', 'refused', `there is no user ${address}`)
    const key = map.conflicts.renamedFrom(address)?.address ?? address
    const own = map.claimsOn(key).some(({ owner, value }) => owner === self && value.accountId === entry.accountId)
    if (!own) throw new SkeinError('not-home', 'refused', `${address} lives on another node`)
    return { key, accountId: entry.accountId }
  }

  async remove(address: string): Promise<void> {
    const { key, accountId } = this.#ownClaim(address)
    const { streams, intents } = this.#components
    await streams.transact(usersDocument(shardOf(key)), async (held) => {
      const bytes = held.get(key)
      const value = bytes && decodeEntryValue(bytes)
      if (!value || value.accountId !== accountId) return { write: new Map() }
      const registrars = intents.get(key, accountId)?.registrars ?? this.#components.registrarsOf(key)
      const gone = intents.remove({ address: key, accountId })
      // A registrar may still hold its promise, where it had not seen the name confirmed yet.
      const ops =
        value.registrars.length > 0
          ? [intents.put({ address: key, accountId, claimTime: value.claimTime, state: 'releasing', registrars })]
          : gone
            ? [gone]
            : []
      return { write: new Map([[key, undefined]]), ops }
    })
    this.onRelease()
  }

  async setState(address: string, state: 'active' | 'suspended'): Promise<void> {
    const { key, accountId } = this.#ownClaim(address)
    await this.#edit(key, accountId, (value) => ({ ...value, suspended: state === 'suspended' }))
  }

  async #edit(
    key: string,
    accountId: AccountId,
    change: (value: EntryValue) => EntryValue,
    ops: LedgerOp[] = [],
  ): Promise<void> {
    await this.#components.streams.transact(usersDocument(shardOf(key)), async (held) => {
      const bytes = held.get(key)
      const value = bytes && decodeEntryValue(bytes)
      if (!value || value.accountId !== accountId) return { write: new Map(), ops }
      return { write: new Map([[key, encodeEntryValue(change(value))]]), ops }
    })
  }

  /** Asks again for names that are in the map without enough promises. @returns how many are still provisional */
  async confirmProvisional(): Promise<number> {
    const { intents, map, self, claimant } = this.#components
    const waiting = intents.all('provisional').filter(({ address, accountId }) => {
      const claims = map.claimsOn(address)
      if (!claims.some(({ owner, value }) => owner === self && value.accountId === accountId)) return false
      return map.lookup(address)?.accountId === accountId
    })
    const step = this.#settings.claimsPerRequest
    for (let i = 0; i < waiting.length; i += step) {
      const part = waiting.slice(i, i + step)
      const outcomes = await claimant.claim(part, this.#settings.claimWaitMs)
      const done: { address: string; accountId: string }[] = []
      for (const [k, intent] of part.entries()) {
        const outcome = outcomes[k]
        if (outcome?.standing !== 'confirmed') continue
        await this.#confirm(intent, outcome)
        done.push(intent)
      }
      if (done.length > 0) await this.#components.dropOwnPromises(done)
    }
    return intents.all('provisional').length
  }

  async #confirm(intent: WantedName, outcome: ClaimOutcome): Promise<void> {
    const { streams, intents } = this.#components
    await streams.transact(usersDocument(shardOf(intent.address)), async (held) => {
      const gone = intents.remove(intent)
      const ops = gone ? [gone] : []
      const bytes = held.get(intent.address)
      const value = bytes && decodeEntryValue(bytes)
      const write: Changes = new Map()
      if (value?.accountId === intent.accountId) {
        const { registrars, acknowledgements } = this.#valueOf(intent, outcome, new Map(), write)
        write.set(intent.address, encodeEntryValue({ ...value, registrars, acknowledgements }))
      }
      return { write, ops }
    })
  }
}

function taken(address: string): SkeinError {
  return new SkeinError('address-taken', 'refused', `the address ${address} is taken`)
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
