// The membership entries of this mesh on this node: stored as signed, replayed after each that is new. The graph's own rules (parents
// first, every author somebody who was once let in) are kept at the door; what the entries mean is the reducer's.
import { encodeCbor, SerialByKey, SkeinError } from '@skein/runtime'
import type { Clock, Logger } from '@skein/runtime'
import { fromHex, hex, sha256, verifiedByKey } from '../identity.ts'
import type { SeedKey } from '../identity.ts'
import { ledgerLimits } from '../limits.ts'
import type { LedgerStore, Signer } from '../ports.ts'
import { openRecord } from '../wire/signed.ts'
import { readEntry, recoveryAuthor, writeEntry } from './entry.ts'
import type { MembershipBody, MembershipEntry } from './entry.ts'
import { reduceMembership } from './reducer.ts'
import type { MembershipState } from './reducer.ts'

export interface MembershipComponents {
  store: LedgerStore
  signer: Signer
  clock: Clock
  logger: Logger
}

/** @param local written by this node itself, rather than taken from a peer */
export type MembershipNews = (entries: MembershipEntry[], state: MembershipState, local: boolean) => Promise<void>

const meshMeta = 'mesh'
const formatMeta = 'format'
/** Of all the ledger's records together; raised when an older Skein could misread them. */
const recordFormat = 1

export class MembershipLog {
  readonly #components: MembershipComponents
  readonly #onNews: MembershipNews
  readonly #entries = new Map<string, MembershipEntry>()
  readonly #lane = new SerialByKey<'membership'>()
  #state: MembershipState | undefined
  #digest = ''

  /** @param onNews called after entries are durable and replayed, before anybody else may add more */
  constructor(components: MembershipComponents, onNews: MembershipNews) {
    this.#components = components
    this.#onNews = onNews
  }

  /** Undefined while this node belongs to no mesh. */
  get state(): MembershipState | undefined {
    return this.#state
  }

  /** @throws SkeinError `no-mesh` */
  get required(): MembershipState {
    if (!this.#state) throw new SkeinError('no-mesh', 'refused', 'this node belongs to no mesh yet')
    return this.#state
  }

  /** Sixteen hex digits that two logs share when they hold the same entries. */
  get digest(): string {
    return this.#digest
  }

  async load(): Promise<void> {
    const mesh = await this.#components.store.meta(meshMeta)
    if (!mesh) return
    const [format] = (await this.#components.store.meta(formatMeta)) ?? [recordFormat]
    if (format !== recordFormat) {
      throw new SkeinError('record-version-unknown', 'permanent', 'the ledger was written by a newer Skein')
    }
    const meshId = hex(mesh)
    const stored: Uint8Array[] = []
    for await (const bytes of this.#components.store.membership()) stored.push(bytes)
    for (const bytes of stored) this.#take(bytes, meshId, this.#entries)
    this.#replay(meshId)
  }

  #take(bytes: Uint8Array, meshId: string, into: Map<string, MembershipEntry>): MembershipEntry {
    let recoveryKey: Uint8Array | undefined = this.#state?.recoveryKey
    for (const { body } of into.values()) if (body.kind === 'genesis') recoveryKey = body.recoveryKey
    const entry = readEntry(bytes, meshId, (signed, signature) => {
      // Stored entries come in the order of their hashes: the genesis may follow. They were verified when they came in.
      if (!recoveryKey) return into === this.#entries
      return verifiedByKey(recoveryKey, signed, signature)
    })
    into.set(entry.hash, entry)
    return entry
  }

  #replay(meshId: string): MembershipState {
    this.#state = reduceMembership(this.#entries.values(), meshId)
    const hashes = [...this.#entries.keys()].sort()
    this.#digest = hex(sha256(encodeCbor(hashes)).subarray(0, 8))
    return this.#state
  }

  /** The first entry: its hash is the mesh id from now on. */
  async found(body: MembershipBody & { kind: 'genesis' }): Promise<void> {
    const { signer, clock } = this.#components
    const genesis = writeEntry(
      { meshId: undefined, author: signer.nodeId, parents: [], timeMs: clock.nowMs(), body },
      signer.sign,
    )
    await this.#lane.run('membership', () => this.#enter(genesis.hash, [genesis]))
  }

  /**
   * A newcomer's first sight of the log: all or nothing.
   * @throws SkeinError `bad-join-reply` when the entries do not make this node a member of that mesh
   */
  async adopt(meshId: string, records: readonly Uint8Array[]): Promise<void> {
    const entries = new Map<string, MembershipEntry>()
    try {
      for (const bytes of records) this.#take(bytes, meshId, entries)
      if (!reduceMembership(entries.values(), meshId).members.has(this.#components.signer.nodeId)) {
        throw new Error('not among the members')
      }
    } catch (cause) {
      throw new SkeinError(
        'bad-join-reply',
        'refused',
        'the answer does not make this node a member of that mesh',
        cause,
      )
    }
    await this.#lane.run('membership', () => this.#enter(meshId, [...entries.values()]))
  }

  async #enter(meshId: string, entries: MembershipEntry[]): Promise<void> {
    if (this.#state) throw new SkeinError('already-in-mesh', 'refused', 'this node belongs to a mesh already')
    await this.#components.store.commit([
      { op: 'meta', name: meshMeta, bytes: fromHex(meshId) },
      { op: 'meta', name: formatMeta, bytes: Uint8Array.of(recordFormat) },
      ...entries.map(({ hash, bytes }) => ({ op: 'membership' as const, hash, bytes })),
    ])
    for (const entry of entries) this.#entries.set(entry.hash, entry)
    await this.#onNews(entries, this.#replay(meshId), true)
  }

  /**
   * Writes an entry that knows all that this node knows.
   * @param decide is asked with the state at the moment of writing; undefined writes nothing
   */
  append(
    decide: (state: MembershipState) => MembershipBody | undefined,
    recovery?: SeedKey,
  ): Promise<MembershipEntry | undefined> {
    return this.#lane.run('membership', async () => {
      const state = this.required
      const body = decide(state)
      if (!body) return undefined
      const { signer, clock, store } = this.#components
      const entry = writeEntry(
        {
          meshId: state.meshId,
          author: recovery ? recoveryAuthor : signer.nodeId,
          parents: state.graph.tips(),
          timeMs: clock.nowMs(),
          body,
        },
        recovery ? recovery.sign : signer.sign,
      )
      await store.commit([{ op: 'membership', hash: entry.hash, bytes: entry.bytes }])
      this.#entries.set(entry.hash, entry)
      await this.#onNews([entry], this.#replay(state.meshId), true)
      return entry
    })
  }

  /**
   * Entries from a peer, parents before children.
   * @returns how many were new, and whether some could not be placed for want of their parents
   */
  accept(records: readonly Uint8Array[]): Promise<{ added: number; gap: boolean }> {
    return this.#lane.run('membership', async () => {
      const state = this.required
      const fresh: MembershipEntry[] = []
      const known = new Map(this.#entries)
      const letIn = new Set<string>([recoveryAuthor])
      for (const { author, body } of known.values()) {
        if (body.kind === 'genesis') letIn.add(author)
        if (body.kind === 'admit') letIn.add(body.node)
        if (body.kind === 'rotate') letIn.add(body.to)
      }
      let gap = false
      for (const bytes of records) {
        if (known.has(hex(openRecord(bytes).hash))) continue
        const entry = readEntry(bytes, state.meshId, (signed, signature) =>
          verifiedByKey(state.recoveryKey, signed, signature),
        )
        if (entry.parents.length === 0 || !entry.parents.every((parent) => known.has(parent))) {
          gap = true
          continue
        }
        if (!letIn.has(entry.author) || known.size >= ledgerLimits.membershipEntriesMax) {
          this.#components.logger.warn({ author: entry.author }, 'membership entry of a stranger refused')
          continue
        }
        known.set(entry.hash, entry)
        if (entry.body.kind === 'admit') letIn.add(entry.body.node)
        if (entry.body.kind === 'rotate') letIn.add(entry.body.to)
        fresh.push(entry)
      }
      if (fresh.length === 0) return { added: 0, gap }
      await this.#components.store.commit(fresh.map(({ hash, bytes }) => ({ op: 'membership' as const, hash, bytes })))
      for (const entry of fresh) this.#entries.set(entry.hash, entry)
      await this.#onNews(fresh, this.#replay(state.meshId), false)
      return { added: fresh.length, gap }
    })
  }

  idle(): Promise<void> {
    return this.#lane.idle()
  }
}
