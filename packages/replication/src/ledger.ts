// The ledger: the set of all nodes' signed documents as this node has them, the map derived from it, and the way to change it.
// Everything promised in ledger-api.ts; the work is done by the parts.
import type { Directory } from '@skein/accounts'
import { decodeCbor, encodeCbor, SkeinError } from '@skein/runtime'
import type { NodeId, PeerLink, Timer } from '@skein/runtime'
import { readJoinReply } from './gate.ts'
import { keyFromSeed } from './identity.ts'
import type { Equivocation, Ledger, LedgerStats, NameConflict, NodeProfile } from './ledger-api.ts'
import { LedgerParts } from './ledger-parts.ts'
import type { LedgerComponents } from './ledger-components.ts'
import { ledgerLimits } from './limits.ts'
import type { LedgerSettings } from './limits.ts'
import { writeJoinRequest } from './membership/invite.ts'
import { formatRecoveryKey, MembershipActs } from './membership-acts.ts'
import { decodeOwnRequest, encodeClaimAnswers, encodeNeeded } from './registrar/messages.ts'
import { isDomainName, isNodeName, SettingsActs } from './settings-acts.ts'
import { headSeq } from './streams/stream.ts'
import { listOf, textListOf, textOf } from './wire/fields.ts'

const hintsMeta = 'hints'

/** Opens the ledger in that store. It belongs to no mesh until `foundMesh` or `adoptJoin`, now or at an earlier start. */
export async function createLedger(
  components: LedgerComponents,
  settings: Partial<LedgerSettings> = {},
): Promise<Ledger> {
  const ledger = new NodeLedger(components, { ...ledgerLimits, ...settings })
  await ledger.load()
  return ledger
}

class NodeLedger implements Ledger {
  readonly directory: Directory
  readonly self: NodeId
  readonly #parts: LedgerParts
  readonly #members: MembershipActs
  readonly #settingsActs: SettingsActs
  readonly #changeListeners = new Set<() => void>()
  readonly #conflictListeners = new Set<(conflict: NameConflict) => void>()
  readonly #equivocationListeners = new Set<(event: Equivocation) => void>()
  #changeTold = true
  /** Resolves when this node may write: after a peer told it what it knows of this node's documents, or a short wait. */
  #writable: Promise<void> = Promise.resolve()
  #adopted: () => void = () => {}
  #adoptTimer: Timer | undefined
  #retryTimer: Timer | undefined
  #settling: Promise<void> | undefined
  #closed = false

  constructor(components: LedgerComponents, settings: LedgerSettings) {
    this.#parts = new LedgerParts(components, settings, {
      onDirectoryChange: () => this.#tellChange(),
      onConflict: (conflict) => {
        components.logger.warn({ ...conflict }, 'two accounts claim one name')
        for (const listener of this.#conflictListeners) listener(conflict)
        this.#settleSoon()
      },
      onEquivocation: (event) => {
        for (const listener of this.#equivocationListeners) listener(event)
      },
      onSynced: () => {
        this.#adopted()
        this.#settleSoon()
      },
    })
    this.self = components.signer.nodeId
    this.directory = this.#directory()
    this.#members = new MembershipActs(this.#parts)
    this.#settingsActs = new SettingsActs(this.#parts)
    this.#parts.users.onRelease = () => this.#settleSoon()
  }

  async load(): Promise<void> {
    await this.#parts.load()
    const hints = await this.#parts.components.store.meta(hintsMeta)
    if (hints) {
      for (const item of listOf(decodeCbor(hints), 'hints')) {
        const [id, addresses] = listOf(item, 'hint', 8)
        this.#parts.hints.set(textOf(id, 'peer id', 64), textListOf(addresses, 'addresses'))
      }
    }
  }

  get gate() {
    return this.#parts.gate
  }

  get meshId(): string | undefined {
    return this.#parts.membership.state?.meshId
  }

  #directory(): Directory {
    const parts = this.#parts
    const { map, meshSettings } = parts
    const inMesh = () => parts.membership.state !== undefined
    return {
      self: parts.self,
      lookup: (address) => map.lookup(address),
      byAccountId: (accountId) => map.byAccountId(accountId),
      alias: (address) => meshSettings.aliases.get(address),
      aliases: () =>
        [...meshSettings.aliases]
          .map(([address, targets]) => ({ address, targets }))
          .sort((a, b) => (a.address < b.address ? -1 : 1)),
      domain: (name) => meshSettings.domains.get(name),
      domains: () => [...meshSettings.domains.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
      node: (id) => (inMesh() ? parts.nodes.get(id) : undefined),
      nodes: () => (inMesh() ? parts.nodes.all() : []),
      entries: () => map.entries(),
      count: () => this.#entryCount(),
      onChange: (listener) => {
        this.#changeListeners.add(listener)
        return () => this.#changeListeners.delete(listener)
      },
    }
  }

  #entryCount(): number {
    let count = 0
    for (const { entries } of this.#parts.table.all()) count += entries
    return count
  }

  /** Once for all changes of one moment. */
  #tellChange(): void {
    if (!this.#changeTold) return
    this.#changeTold = false
    void Promise.resolve().then(() => {
      this.#changeTold = true
      for (const listener of this.#changeListeners) listener()
    })
  }

  // Start and stop

  attach(link: PeerLink): void {
    const { components, settings, membership, registrar, exchange } = this.#parts
    if (this.#parts.link) throw new Error('the ledger is attached already')
    this.#parts.link = link
    if ((membership.state?.members.size ?? 1) > 1) {
      this.#writable = new Promise((resolve) => {
        this.#adopted = resolve
      })
      this.#adoptTimer = components.clock.setTimer(settings.adoptWaitMs, () => this.#adopted())
    }
    link.handle('own', async (from, payload) => {
      if (!this.gate.isMember(from)) {
        throw new SkeinError('not-a-member', 'refused', 'only members of the mesh are answered')
      }
      const request = decodeOwnRequest(payload)
      if (request.kind === 'claim') return encodeClaimAnswers(await registrar.claim(from, request.groups))
      if (request.kind === 'recheck') return encodeNeeded(this.#parts.releases.needed(request.names))
      await registrar.release(from, request.names)
      return encodeCbor([])
    })
    exchange.attach(link)
    this.#scheduleRetry()
  }

  #scheduleRetry(): void {
    const { clock, random } = this.#parts.components
    this.#retryTimer = clock.setTimer(this.#parts.settings.claimRetryMs * (0.75 + random.next() / 2), () => {
      this.#settleSoon()
      this.#scheduleRetry()
    })
  }

  /** Names that wait for registrars: confirmed where they can be reached now, given back where they are not wanted any more. */
  #settleSoon(): void {
    if (this.#closed || this.#settling || !this.#parts.link) return
    this.#settling = this.#settle()
      .catch((error: unknown) => this.#parts.components.logger.warn({ error }, 'open names could not be settled'))
      .finally(() => {
        this.#settling = undefined
      })
  }

  async #settle(): Promise<void> {
    const { intents, map, releases, users } = this.#parts
    await this.#writable
    // What peers are telling right now may decide who comes first.
    await this.#parts.exchange.idle()
    const lost = intents
      .all('provisional')
      .filter(
        ({ address, accountId, registrars }) => registrars.length > 0 && map.lookup(address)?.accountId !== accountId,
      )
    const given = [...intents.all('releasing'), ...lost]
    if (given.length > 0) await releases.run(given)
    if (intents.all('provisional').length > 0) await users.confirmProvisional()
    await releases.recheck(this.#parts.settings.promiseRecheckMs)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#retryTimer?.cancel()
    this.#adoptTimer?.cancel()
    this.#adopted()
    this.#parts.exchange.close()
    await this.#settling
    await this.#parts.exchange.idle()
    await this.#parts.membership.idle()
    await this.#parts.registrar.idle()
    await this.#parts.table.idle()
  }

  /** @throws SkeinError `no-mesh`, `shutting-down` */
  async #mayWrite(): Promise<void> {
    if (this.#closed) throw new SkeinError('shutting-down', 'temporary', 'this node is stopping')
    if (!this.#parts.membership.required.members.has(this.self)) {
      throw new SkeinError('not-a-member', 'refused', 'this node is no member of the mesh any more')
    }
    await this.#writable
  }

  // Mesh life

  async foundMesh(founding: NodeProfile & { domains: string[] }): Promise<{ meshId: string; recoveryKey: string }> {
    const { membership, components } = this.#parts
    const { domains, ...profile } = founding
    if (membership.state) throw new SkeinError('already-in-mesh', 'refused', 'this node belongs to a mesh already')
    this.#checkProfile(profile)
    const bad = domains.find((name) => !isDomainName(name))
    if (bad !== undefined) throw new SkeinError('bad-domain', 'refused', `"${bad}" is not a domain name`)
    const seed = components.random.bytes(32)
    await membership.found({ kind: 'genesis', recoveryKey: keyFromSeed(seed).publicKey, profile })
    await this.#settingsActs.addDomains([...new Set(domains)], {})
    return { meshId: membership.required.meshId, recoveryKey: formatRecoveryKey(seed) }
  }

  #checkProfile({ name }: NodeProfile): void {
    if (!isNodeName(name, this.#parts.settings.nodeNameCharactersMax)) {
      throw new SkeinError('bad-name', 'refused', `"${name}" can't be a node's name`)
    }
  }

  async createInvite(terms: Parameters<Ledger['createInvite']>[0]): Promise<string> {
    await this.#mayWrite()
    return this.#members.createInvite(terms)
  }

  joinRequest: Ledger['joinRequest'] = (invite, profile) => {
    this.#checkProfile(profile)
    const { clock, random } = this.#parts.components
    return writeJoinRequest(invite, this.self, profile, clock.nowMs(), random.bytes(16))
  }

  adoptJoin: Ledger['adoptJoin'] = async (invite, _profile, reply) => {
    const { membership, components, hints } = this.#parts
    if (membership.state) throw new SkeinError('already-in-mesh', 'refused', 'this node belongs to a mesh already')
    let answer
    try {
      answer = readJoinReply(reply)
    } catch (cause) {
      throw new SkeinError('bad-join-reply', 'refused', 'the answer of the mesh can’t be read', cause)
    }
    await membership.adopt(invite.meshId, answer.entries)
    for (const { id, addresses } of [...invite.peers, ...answer.peers]) {
      if (id !== this.self) hints.set(id, [...new Set([...(hints.get(id) ?? []), ...addresses])])
    }
    await components.store.commit([{ op: 'meta', name: hintsMeta, bytes: encodeCbor([...hints]) }])
    this.gate.changed()
  }

  members = () => this.#members.members()

  role = () => this.#parts.membership.state?.members.get(this.self)?.role

  proposeEvict: Ledger['proposeEvict'] = async (nameOrId, reason, options) => {
    await this.#mayWrite()
    return this.#members.proposeEvict(nameOrId, reason, options?.recoveryKey)
  }

  approveEvict: Ledger['approveEvict'] = async (proposalId) => {
    await this.#mayWrite()
    return this.#members.approveEvict(proposalId)
  }

  pendingEvictions = () => this.#members.pendingEvictions()

  leave: Ledger['leave'] = async (reason) => {
    await this.#mayWrite()
    await this.#members.leave(reason)
  }

  setRole: Ledger['setRole'] = async (nameOrId, role, options) => {
    await this.#mayWrite()
    await this.#members.setRole(nameOrId, role, options?.recoveryKey)
  }

  // Users

  addUser: Ledger['addUser'] = async (address) => {
    await this.#mayWrite()
    return this.#parts.users.add(address)
  }

  addUsers: Ledger['addUsers'] = async (addresses) => {
    await this.#mayWrite()
    return this.#parts.users.addMany(addresses)
  }

  removeUser: Ledger['removeUser'] = async (address) => {
    await this.#mayWrite()
    await this.#parts.users.remove(address)
  }

  setUserState: Ledger['setUserState'] = async (address, state) => {
    await this.#mayWrite()
    await this.#parts.users.setState(address, state)
  }

  setUserMail: Ledger['setUserMail'] = async (address, settings) => {
    await this.#mayWrite()
    this.#settingsActs.checkForward(settings.forward)
    await this.#parts.users.setMail(address, settings)
  }

  entriesOf: Ledger['entriesOf'] = (node) => this.#parts.map.entriesOf(node)

  // Shared settings

  addDomain: Ledger['addDomain'] = async (name, settings = {}) => {
    await this.#mayWrite()
    await this.#settingsActs.addDomains([name], settings)
  }

  setDomain: Ledger['setDomain'] = async (name, settings) => {
    await this.#mayWrite()
    await this.#settingsActs.setDomain(name, settings)
  }

  removeDomain: Ledger['removeDomain'] = async (name) => {
    await this.#mayWrite()
    await this.#settingsActs.removeDomain(name)
  }

  addAlias: Ledger['addAlias'] = async (address, targets) => {
    await this.#mayWrite()
    await this.#settingsActs.addAlias(address, targets)
  }

  removeAlias: Ledger['removeAlias'] = async (address) => {
    await this.#mayWrite()
    await this.#settingsActs.removeAlias(address)
  }

  doorRules: Ledger['doorRules'] = () =>
    [...this.#parts.meshSettings.doorRules.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1))

  setDoorRule: Ledger['setDoorRule'] = async (rule) => {
    await this.#mayWrite()
    await this.#settingsActs.setDoorRule(rule)
  }

  removeDoorRule: Ledger['removeDoorRule'] = async (subject) => {
    await this.#mayWrite()
    await this.#settingsActs.removeDoorRule(subject)
  }

  setNode: Ledger['setNode'] = async (nameOrId, settings) => {
    await this.#mayWrite()
    await this.#settingsActs.setNode(nameOrId, settings)
  }

  secrets: Ledger['secrets'] = (purpose) => this.#parts.meshSettings.secretsFor(purpose)

  addSecret: Ledger['addSecret'] = async (purpose, key) => {
    await this.#mayWrite()
    await this.#settingsActs.addSecret(purpose, key)
  }

  removeSecret: Ledger['removeSecret'] = async (purpose, id) => {
    await this.#mayWrite()
    await this.#settingsActs.removeSecret(purpose, id)
  }

  setSelf: Ledger['setSelf'] = async (fields) => {
    if (Object.keys(this.#settingsActs.selfChanges(fields)).length === 0) return
    await this.#mayWrite()
    await this.#settingsActs.setSelf(fields)
  }

  // Watching

  onConflict: Ledger['onConflict'] = (listener) => {
    this.#conflictListeners.add(listener)
    return () => this.#conflictListeners.delete(listener)
  }

  onEquivocation: Ledger['onEquivocation'] = (listener) => {
    this.#equivocationListeners.add(listener)
    return () => this.#equivocationListeners.delete(listener)
  }

  stats(): LedgerStats {
    const { membership, table, streams, map, intents, exchange } = this.#parts
    const own = [...table.ofAuthor(this.self)]
    return {
      members: membership.state?.members.size ?? 0,
      documents: [...table.all()].length,
      heads: own.map((state) => ({ ...state.stream, seq: headSeq(state) })),
      entries: this.#entryCount(),
      provisional: intents.all('provisional').length,
      openConflicts: map.conflicts.size,
      equivocations: streams.counters.forks,
      batchesApplied: streams.counters.applied,
      batchesRefused: streams.counters.refused,
      lastSyncMs: Object.fromEntries(exchange.lastSyncMs),
    }
  }

  whenSynced: Ledger['whenSynced'] = (peer) => this.#parts.exchange.compare(peer)
}
