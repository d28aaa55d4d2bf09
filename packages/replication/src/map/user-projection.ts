// From a users' document to the map's pages: what a change of entries means for places, accounts and conflicts, as operations
// for the same commit. Runs in the shard's lane, so that nobody else edits these pages meanwhile.
import { accountIdBytesOf } from '../claims/entry-value.ts'
import type { Acknowledgement } from '../claims/entry-value.ts'
import { rankOf } from '../claims/resolution.ts'
import type { Claim } from '../claims/resolution.ts'
import { hex } from '../identity.ts'
import type { NameConflict } from '../ledger-api.ts'
import type { LedgerOp, LedgerStore, StreamName } from '../ports.ts'
import type { Changes } from '../streams/documents.ts'
import type { Projection, ProjectionPlan } from '../streams/projection.ts'
import { editAccountPage } from './account-page.ts'
import type { AccountRow } from './account-page.ts'
import { addressHash, pagesPerShard, shardCount, shardOf, shardOfDocument } from './address-hash.ts'
import { claimValueBytesMax, decodePage, encodePage, encodePlainPage, rankUnverified } from './place-page.ts'
import type { PlacePage, PlacedClaim } from './place-page.ts'
import type { UserMap } from './user-map.ts'

export interface UserProjectionComponents {
  store: LedgerStore
  map: UserMap
  /** Is that acknowledgement of that claim true: registrar a member now or before, its signature over the claim. */
  acknowledgementHolds(address: string, claim: Claim, acknowledgement: Acknowledgement): Promise<boolean>
  addressBytesMax: number
}

export interface UserProjectionEvents {
  onConflict(conflict: NameConflict): void
  onChange(addresses: readonly string[]): void
}

/** Claims on one name that are kept: more than any honest mesh ever has. */
const claimsPerNameMax = 16

const noClaims: PlacedClaim[] = []

interface Edit {
  shard: number
  owner: number
  pages: Map<number, PlacePage>
  dirty: Set<number>
  removedAccounts: AccountRow[][]
  addedAccounts: AccountRow[][]
  /** Names whose claims changed and that more than one node claims, or claimed. */
  disputed: Set<string>
  touched: string[]
  accounts: string[]
  entriesDelta: number
}

export class UserProjection implements Projection {
  readonly #components: UserProjectionComponents
  readonly #events: UserProjectionEvents

  constructor(components: UserProjectionComponents, events: UserProjectionEvents) {
    this.#components = components
    this.#events = events
  }

  async change(stream: StreamName, changes: Changes): Promise<ProjectionPlan> {
    const edit = this.#begin(stream)
    for (const [address, value] of changes) {
      const hash = this.#hashIn(edit.shard, address)
      if (hash !== undefined) this.#place(edit, address, hash, value)
    }
    return this.#plan(edit)
  }

  async replace(stream: StreamName, contents: Iterable<[string, Uint8Array]>, before: number): Promise<ProjectionPlan> {
    const edit = this.#begin(stream)
    const { store } = this.#components
    const pages = await store.placePages(edit.shard)
    if (before === 0 && pages.every((page) => page === undefined)) return this.#fill(edit, contents)
    const gone = new Map<string, Uint8Array>()
    for (const [number, page] of pages.entries()) {
      if (!page) continue
      const places = decodePage(page)
      edit.pages.set(number, places)
      if (before === 0) continue
      for (const [address, claims] of places) {
        const own = claims.find(({ owner }) => owner === edit.owner)
        if (own) gone.set(address, own.value)
      }
    }
    for (const [address, value] of contents) {
      const hash = this.#hashIn(edit.shard, address)
      if (hash === undefined) continue
      const old = gone.get(address)
      if (old) gone.delete(address)
      if (!old || Buffer.compare(old, value) !== 0) this.#place(edit, address, hash, value)
    }
    for (const address of gone.keys()) this.#place(edit, address, addressHash(address), undefined)
    return this.#plan(edit)
  }

  /** The first entries of a shard: nobody disputes anything, nothing has to be read. */
  #fill(edit: Edit, contents: Iterable<[string, Uint8Array]>): ProjectionPlan {
    const names = Array.from({ length: pagesPerShard }, (): string[] => [])
    const values = Array.from({ length: pagesPerShard }, (): Uint8Array[] => [])
    for (const [address, value] of contents) {
      const hash = this.#hashIn(edit.shard, address)
      const accountId = value.length <= claimValueBytesMax ? accountIdBytesOf(value) : undefined
      if (hash === undefined || !accountId) continue
      const page = (hash >>> 6) & (pagesPerShard - 1)
      names[page]?.push(address)
      values[page]?.push(value)
      this.#row(edit.addedAccounts, accountId, hash)
      edit.entriesDelta++
    }
    const ops: LedgerOp[] = []
    for (const [page, addresses] of names.entries()) {
      if (addresses.length === 0) continue
      const bytes = encodePlainPage(addresses, values[page] ?? [], edit.owner)
      ops.push({ op: 'place-page', shard: edit.shard, page, bytes })
    }
    const { map } = this.#components
    const owners = map.owners.pending()
    return {
      ops: [...ops, ...this.#accountOps(edit), ...owners.ops],
      entriesDelta: edit.entriesDelta,
      applied: () => {
        owners.stored()
        map.forgetAll()
        this.#events.onChange(names.flat())
      },
    }
  }

  #accountOps(edit: Edit): LedgerOp[] {
    const buckets = new Set([...Object.keys(edit.addedAccounts), ...Object.keys(edit.removedAccounts)].map(Number))
    return [...buckets].map((bucket) => {
      const page = this.#components.store.accountPage(edit.shard, bucket)
      const bytes = editAccountPage(page, edit.removedAccounts[bucket] ?? [], edit.addedAccounts[bucket] ?? [])
      return { op: 'account-page', shard: edit.shard, bucket, bytes: bytes ?? null }
    })
  }

  /** The ranks of disputed names depend on who is or was a member. */
  async rejudge(
    addresses: readonly string[],
    inLane: (shard: number, task: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    for (const address of addresses) {
      await inLane(shardOf(address), async () => {
        const shard = shardOf(address)
        const edit: Edit = { ...emptyEdit(shard, -1), disputed: new Set([address]), touched: [address] }
        this.#page(edit, addressHash(address))
        const plan = await this.#plan(edit)
        await this.#components.store.commit(plan.ops)
        plan.applied()
      })
    }
  }

  #begin(stream: StreamName): Edit {
    const shard = shardOfDocument(stream.document)
    if (shard === undefined) throw new Error(`${stream.document} holds no users`)
    return emptyEdit(shard, this.#components.map.owners.numberOf(stream.author))
  }

  /**
   * Undefined for certificates and what later versions may keep in these documents, which are no addresses,
   * and for an address in the wrong shard, which is nobody's.
   */
  #hashIn(shard: number, address: string): number | undefined {
    const { addressBytesMax } = this.#components
    if (address.length > addressBytesMax || !address.includes('@')) return undefined
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    if (address.length * 3 > addressBytesMax && Buffer.byteLength(address) > addressBytesMax) return undefined
    const hash = addressHash(address)
    return (hash & (shardCount - 1)) === shard ? hash : undefined
  }

  #page(edit: Edit, hash: number): PlacePage {
    const number = (hash >>> 6) & (pagesPerShard - 1)
    let page = edit.pages.get(number)
    if (!page) {
      const bytes = this.#components.store.placePage(edit.shard, number)
      page = bytes ? decodePage(bytes) : new Map<string, PlacedClaim[]>()
      edit.pages.set(number, page)
    }
    return page
  }

  #place(edit: Edit, address: string, hash: number, value: Uint8Array | undefined): void {
    const page = this.#page(edit, hash)
    const before = page.get(address) ?? noClaims
    const own = before.find(({ owner }) => owner === edit.owner)
    const others = own ? before.filter((claim) => claim !== own) : before
    const accountId = value && value.length <= claimValueBytesMax ? accountIdBytesOf(value) : undefined
    const after =
      value && accountId && others.length < claimsPerNameMax
        ? [...others, { owner: edit.owner, rank: rankUnverified, value }]
        : others
    if (own) {
      const old = accountIdBytesOf(own.value)
      if (old) this.#row(edit.removedAccounts, old, hash)
      edit.entriesDelta--
      if (old) edit.accounts.push(hex(old))
    }
    if (after.length > others.length && accountId) {
      this.#row(edit.addedAccounts, accountId, hash)
      edit.entriesDelta++
    }
    if (after.length === 0) page.delete(address)
    else page.set(address, after)
    edit.touched.push(address)
    if (before.length > 1 || after.length > 1) edit.disputed.add(address)
    edit.dirty.add((hash >>> 6) & (pagesPerShard - 1))
  }

  #row(rows: AccountRow[][], accountId: Uint8Array, addressHash: number): void {
    const bucket = accountId[0] ?? 0
    const list = rows[bucket]
    if (list) list.push({ accountId, addressHash })
    else rows[bucket] = [{ accountId, addressHash }]
  }

  async #plan(edit: Edit): Promise<ProjectionPlan> {
    const { map } = this.#components
    for (const address of edit.disputed) await this.#rank(edit, address)
    const ops: LedgerOp[] = []
    for (const [page, places] of edit.pages) {
      if (!edit.dirty.has(page)) continue
      ops.push({ op: 'place-page', shard: edit.shard, page, bytes: encodePage(places) ?? null })
    }
    ops.push(...this.#accountOps(edit))
    for (const address of edit.disputed) {
      const claims = this.#page(edit, addressHash(address)).get(address) ?? []
      ops.push({ op: 'conflict', address, present: claims.length > 1 })
    }
    const owners = map.owners.pending()
    return {
      ops: [...ops, ...owners.ops],
      entriesDelta: edit.entriesDelta,
      applied: () => {
        owners.stored()
        for (const accountId of edit.accounts) map.forgetAccount(accountId)
        map.forgetThese(edit.touched)
        const fresh = [...edit.disputed].flatMap((address) => map.resolve(address))
        for (const conflict of fresh) this.#events.onConflict(conflict)
        this.#events.onChange(edit.touched)
      },
    }
  }

  /** Nobody is taken at its word any more: every acknowledgement is verified. */
  async #rank(edit: Edit, address: string): Promise<void> {
    const { map, acknowledgementHolds } = this.#components
    const page = this.#page(edit, addressHash(address))
    const claims = page.get(address) ?? []
    const ranked: PlacedClaim[] = []
    for (const placed of claims) {
      if (claims.length === 1) {
        ranked.push({ ...placed, rank: rankUnverified })
        continue
      }
      const [claim] = map.rankedClaims([placed])
      if (!claim) {
        ranked.push({ ...placed, rank: 2 })
        continue
      }
      const held = new Set<Acknowledgement>()
      for (const ack of claim.value.acknowledgements) if (await acknowledgementHolds(address, claim, ack)) held.add(ack)
      ranked.push({ ...placed, rank: rankOf(claim, (ack) => held.has(ack)) })
    }
    if (ranked.length > 0) page.set(address, ranked)
    edit.dirty.add((addressHash(address) >>> 6) & (pagesPerShard - 1))
  }
}

function emptyEdit(shard: number, owner: number): Edit {
  if (shard < 0 || shard >= shardCount) throw new Error('no such shard')
  return {
    shard,
    owner,
    pages: new Map(),
    dirty: new Set(),
    removedAccounts: [],
    addedAccounts: [],
    disputed: new Set(),
    touched: [],
    accounts: [],
    entriesDelta: 0,
  }
}
