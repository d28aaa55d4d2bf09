// The user-to-node map: what all users' documents say together, kept in pages that are committed with the batches they come from.
// Look-ups never touch a document and never wait.
import type { AccountId, DirectoryEntry } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'
import { detailsOf } from '../claims/entry-details.ts'
import { decodeEntryValue } from '../claims/entry-value.ts'
import type { EntryValue } from '../claims/entry-value.ts'
import { rankOf, resolveClaims } from '../claims/resolution.ts'
import type { ClaimRank, RankedClaim } from '../claims/resolution.ts'
import { fromHex } from '../identity.ts'
import type { NameConflict } from '../ledger-api.ts'
import type { LedgerSettings } from '../limits.ts'
import type { LedgerStore } from '../ports.ts'
import { findAccount } from './account-page.ts'
import { addressHash, pageOf, pagesPerShard, shardCount, shardOf } from './address-hash.ts'
import { ConflictTable } from './conflict-table.ts'
import { OwnerNumbers } from './owners.ts'
import { addressesOn, decodePage, findClaims, rankUnverified } from './place-page.ts'
import type { PlacedClaim } from './place-page.ts'
import { TwoGenerationCache } from './two-generation-cache.ts'

/** What the map must know of the members. */
export interface MembershipView {
  /** The node that answers for what that one owned. */
  successorOf(id: NodeId): NodeId
  /** No longer a member: evicted or gone. */
  isGone(id: NodeId): boolean
  nodeOfShortId(short: string): NodeId | undefined
}

const utf8 = new TextEncoder()

export class UserMap {
  readonly owners = new OwnerNumbers()
  readonly conflicts = new ConflictTable()
  readonly #store: LedgerStore
  readonly #members: MembershipView
  readonly #found: TwoGenerationCache<string, DirectoryEntry | null>
  readonly #byAccount: TwoGenerationCache<AccountId, string>

  constructor(store: LedgerStore, members: MembershipView, settings: LedgerSettings) {
    this.#store = store
    this.#members = members
    this.#found = new TwoGenerationCache(settings.lookupsCached)
    this.#byAccount = new TwoGenerationCache(settings.lookupsCached)
  }

  async load(): Promise<void> {
    await this.owners.load(this.#store)
    for await (const address of this.#store.conflicts()) this.resolve(address)
  }

  lookup(address: string): DirectoryEntry | undefined {
    const known = this.#found.get(address)
    if (known !== undefined) return known ?? undefined
    const entry = this.#read(address)
    this.#found.set(address, entry ?? null)
    return entry
  }

  #read(address: string): DirectoryEntry | undefined {
    const lost = this.conflicts.renamedFrom(address)
    if (lost) {
      const loser = this.conflicts
        .resolution(lost.address)
        ?.losers.find(({ claim }) => claim.value.accountId === lost.accountId)
      return loser && this.#entryOf(address, loser.claim, true)
    }
    const claims = this.claimsOn(address)
    const winner = claims.length > 1 ? resolveClaims(address, claims)?.winner : claims[0]
    return winner && this.#entryOf(address, winner, false)
  }

  /** All claims on a name, as stored: a rank that nobody disputed is taken at its word. */
  claimsOn(address: string): RankedClaim[] {
    const page = this.#store.placePage(shardOf(address), pageOf(address))
    const placed = page && findClaims(page, utf8.encode(address))
    return placed ? this.rankedClaims(placed) : []
  }

  /** Whose the name is by the pages, whatever became of his node, and whether others promised it to him. */
  holderOf(address: string): { accountId: AccountId; confirmed: boolean } | undefined {
    const claims = this.claimsOn(address)
    const winner = claims.length > 1 ? resolveClaims(address, claims)?.winner : claims[0]
    return winner && { accountId: winner.value.accountId, confirmed: winner.rank === 0 }
  }

  /** Which of these names, all of one shard, somebody has. Many are checked page by page. */
  async takenAmong(shard: number, addresses: readonly string[]): Promise<Set<string>> {
    if (addresses.length < pagesPerShard) {
      return new Set(addresses.filter((address) => this.claimsOn(address).length > 0))
    }
    const held: (Set<string> | undefined)[] = []
    for (const page of await this.#store.placePages(shard)) held.push(page && addressesOn(page))
    return new Set(addresses.filter((address) => held[pageOf(address)]?.has(address)))
  }

  rankedClaims(placed: readonly PlacedClaim[]): RankedClaim[] {
    const claims: RankedClaim[] = []
    for (const { owner, rank, value } of placed) {
      const decoded = decodeEntryValue(value)
      if (!decoded) continue
      const claim = { owner: this.owners.idOf(owner), value: decoded }
      claims.push({ ...claim, rank: rank === rankUnverified ? rankOf(claim, () => true) : (rank as ClaimRank) })
    }
    return claims
  }

  /** Brings the table of conflicts up to date with the pages. @returns conflicts that are new */
  resolve(address: string): NameConflict[] {
    const claims = this.claimsOn(address)
    for (const renamed of this.conflicts.resolution(address)?.losers ?? []) this.#found.delete(renamed.renamedTo)
    const fresh = this.conflicts.set(address, claims.length > 1 ? resolveClaims(address, claims) : undefined)
    for (const renamed of this.conflicts.resolution(address)?.losers ?? []) this.#found.delete(renamed.renamedTo)
    this.forget(address)
    return fresh
  }

  /** After the pages of that address changed. */
  forget(address: string): void {
    this.#found.delete(address)
  }

  /** One by one, or, where that costs more than it saves, all that is remembered. */
  forgetThese(addresses: readonly string[]): void {
    if (addresses.length > 2 * this.#found.size) this.#found.clear()
    else for (const address of addresses) this.#found.delete(address)
  }

  forgetAccount(accountId: AccountId): void {
    this.#byAccount.delete(accountId)
  }

  /** After the members changed: homes and states read differently now. */
  forgetAll(): void {
    this.#found.clear()
    this.#byAccount.clear()
  }

  byAccountId(accountId: AccountId): DirectoryEntry | undefined {
    const known = this.#byAccount.get(accountId)
    if (known !== undefined) {
      const entry = this.lookup(known)
      if (entry?.accountId === accountId) return entry
    }
    const entry = this.#searchAccount(accountId)
    if (entry) this.#byAccount.set(accountId, entry.address)
    return entry
  }

  #searchAccount(accountId: AccountId): DirectoryEntry | undefined {
    if (!/^[0-9a-f]{32}$/.test(accountId)) return undefined
    const id = fromHex(accountId)
    let best: { address: string; claim: RankedClaim } | undefined
    for (let shard = 0; shard < shardCount; shard++) {
      const rows = this.#store.accountPage(shard, id[0] ?? 0)
      for (const hash of rows ? findAccount(rows, id) : []) {
        const page = this.#store.placePage(shard, (hash >>> 6) & (pagesPerShard - 1))
        for (const [address, placed] of page ? decodePage(page) : []) {
          if (addressHash(address) !== hash) continue
          for (const claim of this.rankedClaims(placed)) {
            if (claim.value.accountId !== accountId) continue
            // Where two nodes name one account, the better and earlier claim speaks for it.
            const better =
              !best ||
              claim.rank < best.claim.rank ||
              (claim.rank === best.claim.rank && claim.value.claimTime < best.claim.value.claimTime)
            if (better) best = { address, claim }
          }
        }
      }
    }
    if (!best) return undefined
    const { address } = best
    const loser = this.conflicts.resolution(address)?.losers.find(({ claim }) => claim.value.accountId === accountId)
    const entry = this.lookup(loser ? loser.renamedTo : address)
    return entry?.accountId === accountId ? entry : undefined
  }

  #entryOf(address: string, { owner, rank, value }: RankedClaim, renamed: boolean): DirectoryEntry {
    return {
      address,
      accountId: value.accountId,
      home: this.#members.successorOf(owner),
      epoch: value.epoch,
      replicas: value.replicas.map((short) => this.#members.nodeOfShortId(short)).filter((id) => id !== undefined),
      state: this.#stateOf(owner, rank, value, renamed),
      ...detailsOf(value),
    }
  }

  #stateOf(owner: NodeId, rank: ClaimRank, value: EntryValue, renamed: boolean): DirectoryEntry['state'] {
    // Users of a node that is gone stay listed until they have a new home, so that nobody vanishes unseen.
    if (value.suspended || this.#members.isGone(owner)) return 'suspended'
    if (renamed) return 'renamed'
    return rank === 2 ? 'provisional' : 'confirmed'
  }

  /** Every name on the pages, in no order. */
  async *#places(): AsyncIterable<{ address: string; placed: PlacedClaim[] }> {
    for (let shard = 0; shard < shardCount; shard++) {
      for (const page of await this.#store.placePages(shard)) {
        if (!page) continue
        for (const [address, placed] of decodePage(page)) yield { address, placed }
      }
    }
  }

  async hasUsersIn(domain: string): Promise<boolean> {
    for await (const { address } of this.#places()) if (address.endsWith(`@${domain}`)) return true
    return false
  }

  /** Sorted by address in code-point order. Holds all addresses and the pages while it runs. */
  async *entries(): AsyncIterable<DirectoryEntry> {
    const rows: { address: string; placed: PlacedClaim[] | undefined }[] = []
    let plain = true
    for await (const place of this.#places()) {
      rows.push(place)
      if (plain && /[\ud800-\udfff]/.test(place.address)) plain = false
    }
    for (const address of this.conflicts.renamedAddresses()) rows.push({ address, placed: undefined })
    // UTF-16 order is code-point order as long as there are no surrogates; UTF-8 order always is.
    if (plain) rows.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
    else rows.sort((a, b) => Buffer.compare(Buffer.from(a.address), Buffer.from(b.address)))
    for (const { address, placed } of rows) {
      const entry = placed?.length === 1 ? this.#single(address, placed) : this.#read(address)
      if (entry) yield entry
    }
  }

  async *entriesOf(node: NodeId): AsyncIterable<DirectoryEntry> {
    const renamed = [...this.conflicts.renamedAddresses()]
    for await (const { address, placed } of this.#places()) {
      const entry = placed.length === 1 ? this.#single(address, placed) : this.#read(address)
      if (entry?.home === node) yield entry
    }
    for (const address of renamed) {
      const entry = this.#read(address)
      if (entry?.home === node) yield entry
    }
  }

  #single(address: string, placed: readonly PlacedClaim[]): DirectoryEntry | undefined {
    const [claim] = this.rankedClaims(placed)
    return claim && this.#entryOf(address, claim, false)
  }
}
