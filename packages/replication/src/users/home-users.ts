// The users of this node: their names claimed from the registrars, written into this node's own documents, confirmed later where the
// registrars could not be reached at first.
import type { AccountId } from '@skein/accounts'
import { SkeinError } from '@skein/runtime'
import type { Clock, NodeId, Random } from '@skein/runtime'
import { withDetails } from '../claims/entry-details.ts'
import { decodeEntryValue, encodeEntryValue } from '../claims/entry-value.ts'
import type { EntryValue } from '../claims/entry-value.ts'
import { looksRenamed } from '../claims/resolution.ts'
import type { HybridClock } from '../hybrid-clock.ts'
import { hex } from '../identity.ts'
import type { AddedUser, BulkOutcome, MailSettings } from '../ledger-api.ts'
import type { LedgerSettings } from '../limits.ts'
import { shardCount, shardOf, usersDocument } from '../map/address-hash.ts'
import type { UserMap } from '../map/user-map.ts'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import type { Claimant, ClaimOutcome, WantedName } from '../registrar/claimant.ts'
import type { Intent, Intents } from '../registrar/intents.ts'
import type { Streams } from '../streams/streams.ts'
import type { Claimed, EntryWriter } from './entry-writer.ts'

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
  writer: EntryWriter
  registrarsOf(address: string): NodeId[]
  /** @throws SkeinError `bad-address`, `no-such-domain` */
  checkAddress(address: string): void
  isAlias(address: string): boolean
  nodeOfShortId(short: string): NodeId | undefined
}

/** Gathers callers of one moment: they share requests to registrars, a signature and a sync. */
const gatherMs = 2
/** Users taken from a bulk list at once. */
const bulkSlice = 262_144

export class HomeUsers {
  readonly #components: HomeUsersComponents
  readonly #settings: LedgerSettings
  readonly #pending = new Set<string>()
  #gathering: { name: WantedName; resolve(outcome: ClaimOutcome): void; reject(error: unknown): void }[] = []

  constructor(components: HomeUsersComponents, settings: LedgerSettings) {
    this.#components = components
    this.#settings = settings
  }

  async add(address: string): Promise<AddedUser> {
    this.#checkName(address)
    if (this.#components.map.lookup(address)) throw taken(address)
    this.#pending.add(address)
    try {
      const name = this.#newName(address, this.#components.random.bytes(16))
      const outcome = await this.#gather(name)
      if (outcome.standing === 'taken') throw taken(address)
      const [added] = await this.#components.writer.add([{ name, outcome }])
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
    const added = await this.#components.writer.add(claimed)
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
      const asked = value.registrars
        .map((short) => this.#components.nodeOfShortId(short))
        .filter((id) => id !== undefined)
      const registrars = intents.get(key, accountId)?.registrars ?? asked
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

  async setMail(address: string, settings: MailSettings): Promise<void> {
    const { key, accountId } = this.#ownClaim(address)
    await this.#edit(key, accountId, (value) => withDetails(value, settings))
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

  /** Asks again for names that are in the map without enough promises. */
  async confirmProvisional(): Promise<void> {
    const { intents, map, self, claimant, store, writer } = this.#components
    const waiting = intents.all('provisional').filter(({ address, accountId }) => {
      const own = map.claimsOn(address).some(({ owner, value }) => owner === self && value.accountId === accountId)
      return own && map.holderOf(address)?.accountId === accountId
    })
    const step = this.#settings.claimsPerRequest
    for (let i = 0; i < waiting.length; i += step) {
      const part = waiting.slice(i, i + step)
      const ops = part.map((intent) => this.#askingAlso(intent)).filter((op) => op !== undefined)
      if (ops.length > 0) await store.commit(ops)
      const outcomes = await claimant.claim(part, this.#settings.claimWaitMs)
      const confirmed: Claimed[] = []
      for (const [k, name] of part.entries()) {
        const outcome = outcomes[k]
        if (outcome?.standing === 'confirmed') confirmed.push({ name, outcome })
      }
      if (confirmed.length > 0) await writer.confirm(confirmed)
    }
  }

  /** Registrars change with the members: whoever is asked must be told, should the name be given back. */
  #askingAlso(intent: Intent): LedgerOp | undefined {
    const { intents, registrarsOf } = this.#components
    const registrars = [...new Set([...intent.registrars, ...registrarsOf(intent.address)])]
    return registrars.length === intent.registrars.length ? undefined : intents.put({ ...intent, registrars })
  }
}

function taken(address: string): SkeinError {
  return new SkeinError('address-taken', 'refused', `the address ${address} is taken`)
}
