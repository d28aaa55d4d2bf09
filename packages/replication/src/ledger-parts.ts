// The parts of a ledger, made and joined: what each needs from the others is given to it here, and nowhere else.
import { SkeinError } from '@skein/runtime'
import type { NodeId, PeerLink } from '@skein/runtime'
import type { Acknowledgement } from './claims/entry-value.ts'
import { registrarsOf } from './claims/registrars.ts'
import type { Claim } from './claims/resolution.ts'
import { claimDigest } from './claims/resolution.ts'
import { Exchange } from './exchange/exchange.ts'
import { Gate } from './gate.ts'
import { HybridClock } from './hybrid-clock.ts'
import { shortIdOf } from './identity.ts'
import type { Equivocation, NameConflict } from './ledger-api.ts'
import type { LedgerComponents } from './ledger-components.ts'
import type { LedgerSettings } from './limits.ts'
import { shardOf, usersDocument } from './map/address-hash.ts'
import { UserMap } from './map/user-map.ts'
import { UserProjection } from './map/user-projection.ts'
import { MembershipLog } from './membership/membership-log.ts'
import { seqLimit, successorOf } from './membership/reducer.ts'
import type { StreamName } from './ports.ts'
import { createNaming } from './naming.ts'
import type { Naming } from './naming.ts'
import { certificateCovers, certificateKey, promiseHolds } from './registrar/promise.ts'
import type { NameView } from './registrar/registrar.ts'
import { MeshSettings } from './settings/mesh-settings.ts'
import { nodeDocument, NodeDocuments } from './settings/node-documents.ts'
import { NodeTable } from './settings/node-table.ts'
import { DocumentCache, sharedDocument } from './streams/documents.ts'
import { nothingToProject } from './streams/projection.ts'
import type { Projection } from './streams/projection.ts'
import { headSeq } from './streams/stream.ts'
import { Snapshots } from './streams/snapshots.ts'
import { StreamTable } from './streams/stream-table.ts'
import { Streams } from './streams/streams.ts'

export interface LedgerEvents {
  onDirectoryChange(): void
  onConflict(conflict: NameConflict): void
  onEquivocation(event: Equivocation): void
  onSynced(peer: NodeId): void
}

export class LedgerParts {
  readonly components: LedgerComponents
  readonly settings: LedgerSettings
  readonly events: LedgerEvents
  readonly self: NodeId
  readonly time: HybridClock
  readonly membership: MembershipLog
  readonly documents: DocumentCache
  readonly table = new StreamTable()
  readonly snapshots: Snapshots
  readonly streams: Streams
  readonly map: UserMap
  readonly users: Naming['users']
  readonly meshSettings: MeshSettings
  readonly nodeDocuments: NodeDocuments
  readonly gate: Gate
  readonly exchange: Exchange
  readonly registrar: Naming['registrar']
  readonly intents: Naming['intents']
  readonly releases: Naming['releases']
  /** Addresses that an invite or a join reply named, for peers whose own document has not come yet. */
  readonly hints = new Map<NodeId, string[]>()
  readonly #userProjection: UserProjection
  #table: NodeTable | undefined
  #enabled: NodeId[] | undefined
  #byShortId: Map<string, NodeId> | undefined
  #informed = false
  link: PeerLink | undefined

  constructor(components: LedgerComponents, settings: LedgerSettings, events: LedgerEvents) {
    this.components = components
    this.settings = settings
    this.events = events
    const { store, signer, clock, random, logger } = components
    const self = signer.nodeId
    this.self = self
    this.time = new HybridClock(clock, settings.clockAheadMsMax)
    this.membership = new MembershipLog(components, (entries, _state, local) => this.#membersChanged(entries, local))
    this.meshSettings = new MeshSettings(() => this.#nodesChanged())
    this.nodeDocuments = new NodeDocuments(() => this.#nodesChanged())
    this.map = new UserMap(
      store,
      {
        successorOf: (id) => (this.membership.state ? successorOf(this.membership.state, id) : id),
        isGone: (id) => !this.#isMemberNow(id),
        nodeOfShortId: (short) => this.nodeOfShortId(short),
      },
      settings,
    )
    this.#userProjection = new UserProjection(
      {
        store,
        map: this.map,
        addressBytesMax: settings.addressBytesMax,
        acknowledgementHolds: (address, claim, ack) => this.#acknowledgementHolds(address, claim, ack),
      },
      {
        onChange: (addresses) => {
          this.events.onDirectoryChange()
          this.registrar.noticed(addresses).catch((error: unknown) => logger.warn({ error }, 'promises not dropped'))
        },
        onConflict: (conflict) => this.events.onConflict(conflict),
      },
    )
    this.documents = new DocumentCache(components, settings.documentEntriesCached, (stream) =>
      this.table.partsOf(stream),
    )
    const limit = (author: NodeId, document: string) =>
      this.membership.state ? seqLimit(this.membership.state, author, document) : 0
    const { table, documents, time, membership } = this
    const meshId = () => membership.required.meshId
    const projection = this.#projection()
    const parts = { store, signer, logger, time, documents, projection, seqLimit: limit, meshId, table }
    const snapshots = new Snapshots(parts, settings, table)
    this.snapshots = snapshots
    this.streams = new Streams({ ...parts, snapshots }, settings, {
      onBatch: ({ bytes }) => this.exchange.announce('batches', [bytes]),
      onCheckpoint: ({ bytes }) => this.exchange.announce('checkpoints', [bytes]),
      onFork: ({ author, document, seq }) => {
        logger.error({ author, document, seq }, 'two batches with one number: a cloned node or a restored backup')
        this.events.onEquivocation({ author, document, seq })
      },
    })
    const { streams } = this
    this.exchange = new Exchange(
      { self, store, clock, random, logger, table, seqLimit: limit, streams, snapshots, membership },
      settings,
      {
        onSynced: (peer) => {
          this.#informed = true
          this.events.onSynced(peer)
        },
      },
    )
    this.gate = new Gate({
      self,
      clock,
      logger,
      membership: this.membership,
      bootId: random.bytes(8),
      addressesOf: (id) => this.addressesOf(id),
      allowList: () => this.nodes.get(self)?.allow ?? [],
    })
    const naming = this.#naming()
    this.registrar = naming.registrar
    this.intents = naming.intents
    this.releases = naming.releases
    this.users = naming.users
  }

  #naming(): Naming {
    const { components, settings, time, streams, map } = this
    return createNaming(
      {
        ...components,
        time,
        streams,
        map,
        view: this.#nameView(),
        checkAddress: (address) => this.checkAddress(address),
        nodeOfShortId: (short) => this.nodeOfShortId(short),
        ask: async (to, payload, timeoutMs) => {
          if (!this.link) throw new SkeinError('peer-unreachable', 'temporary', 'this node is not connected')
          return this.link.request(to, 'own', payload, { timeoutMs })
        },
      },
      settings,
    )
  }

  async load(): Promise<void> {
    const { store } = this.components
    await this.membership.load()
    await this.table.load(store)
    await this.map.load()
    await this.registrar.load()
    await this.intents.load()
    // A claim that is not in the map although it was being made: the node stopped in between.
    const given = this.intents.all('claiming').map((intent) => this.intents.put({ ...intent, state: 'releasing' }))
    if (given.length > 0) await store.commit(given)
    const shared = [...this.table.all()].filter(({ stream }) => stream.document === sharedDocument)
    const own = [...this.table.all()].filter(({ stream }) => stream.document === nodeDocument)
    for (const { stream } of [...shared.slice(0, 1), ...own]) {
      const held = await this.documents.open(stream)
      const projection = stream.document === nodeDocument ? this.nodeDocuments : this.meshSettings
      ;(await projection.replace(stream, held.contents())).applied()
    }
    if (this.membership.state) await this.#enforceMembership()
  }

  // What the parts see of each other

  get nodes(): NodeTable {
    this.#table ??= new NodeTable({
      membership: this.membership.required,
      fieldsOf: (id) => this.nodeDocuments.fieldsOf(id),
      settingsOf: (id) => this.meshSettings.nodes.get(id) ?? {},
    })
    return this.#table
  }

  addressesOf(id: NodeId): string[] {
    return [...new Set([...(this.nodes.get(id)?.addresses ?? []), ...(this.hints.get(id) ?? [])])]
  }

  /** By the enabled members as this node knows them. */
  registrarsOf(address: string): NodeId[] {
    this.#enabled ??= this.nodes
      .all()
      .filter(({ enabled }) => enabled)
      .map(({ id }) => id)
    return registrarsOf(address, this.#enabled, this.settings.registrars)
  }

  nodeOfShortId(short: string): NodeId | undefined {
    if (!this.#byShortId) {
      const { members, former } = this.membership.required
      this.#byShortId = new Map([...members.keys(), ...former.keys()].map((id) => [shortIdOf(id), id]))
    }
    return this.#byShortId.get(short)
  }

  /** @throws SkeinError `bad-address`, `no-such-domain` */
  checkAddress(address: string): void {
    const at = address.lastIndexOf('@')
    const wellFormed =
      at > 0 &&
      address === address.toLowerCase() &&
      !/[\s\u0000-\u001f\u007f]/.test(address) &&
      Buffer.byteLength(address) <= this.settings.addressBytesMax
    if (!wellFormed) throw new SkeinError('bad-address', 'refused', `"${address}" is not an address in canonical form`)
    const domain = address.slice(at + 1)
    if (!this.meshSettings.domains.has(domain)) {
      throw new SkeinError('no-such-domain', 'refused', `${domain} is not a domain of this mesh`)
    }
  }

  get informed(): boolean {
    return this.#informed || (this.membership.state?.members.size ?? 1) <= 1
  }

  #isMemberNow(id: NodeId): boolean {
    const { state } = this.membership
    return state !== undefined && state.members.has(successorOf(state, id))
  }

  #nameView(): NameView {
    return {
      meshId: () => this.membership.required.meshId,
      isAlias: (address: string) => this.meshSettings.aliases.has(address),
      holder: (address: string) => this.map.holderOf(address),
      registrarsOf: (address: string) => this.registrarsOf(address),
      informed: () => this.informed,
      isMember: (id: NodeId) => this.#isMemberNow(id),
    }
  }

  async #acknowledgementHolds(address: string, claim: Claim, { registrar, proof }: Acknowledgement): Promise<boolean> {
    const id = this.nodeOfShortId(registrar)
    if (id === undefined) return false
    const { meshId } = this.membership.required
    if (typeof proof !== 'number')
      return promiseHolds(meshId, id, claimDigest(address, claim.owner, claim.value), proof)
    const stream = { author: claim.owner, document: usersDocument(shardOf(address)) }
    const certificate = (await this.documents.open(stream)).get(certificateKey(proof))
    return certificate !== undefined && certificateCovers(certificate, meshId, id, address, claim)
  }

  #projection(): Projection {
    const of = ({ document }: StreamName): Projection | undefined => {
      if (/^users\/[0-3][0-9a-f]$/.test(document)) return this.#userProjection
      if (document === sharedDocument) return this.meshSettings
      return document === nodeDocument ? this.nodeDocuments : undefined
    }
    return {
      change: async (stream, changes) => (await of(stream)?.change(stream, changes)) ?? nothingToProject,
      replace: async (stream, contents, before) =>
        (await of(stream)?.replace(stream, contents, before)) ?? nothingToProject,
    }
  }

  // What follows from changes

  #nodesChanged(): void {
    this.#table = undefined
    this.#enabled = undefined
    this.gate.changed()
    this.events.onDirectoryChange()
  }

  async #membersChanged(entries: readonly { bytes: Uint8Array }[], local: boolean): Promise<void> {
    this.#byShortId = undefined
    this.map.forgetAll()
    this.#nodesChanged()
    if (local)
      this.exchange.announce(
        'membership',
        entries.map(({ bytes }) => bytes),
      )
    await this.#enforceMembership()
  }

  /** What the members of today mean for what is stored: late batches go, promises of the gone go, disputes are judged anew. */
  async #enforceMembership(): Promise<void> {
    const state = this.membership.required
    const late = [...this.table.all()].filter(
      (stream) => headSeq(stream) > seqLimit(state, stream.stream.author, stream.stream.document),
    )
    for (const { stream } of late) await this.snapshots.enforceLimit(stream)
    await this.registrar.forgetFormer()
    await this.#userProjection.rejudge(this.map.conflicts.addresses(), (shard, task) =>
      this.table.inLane({ author: this.self, document: usersDocument(shard) }, task),
    )
  }
}
