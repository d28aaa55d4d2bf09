// The members as everybody sees them: what each says of itself, overlaid by what admins say of it. Names are unique: of several that
// want one name the most senior has it, and the others carry four hex digits of their id's hash.
import type { NodeRecord } from '@skein/accounts'
import type { NodeId } from '@skein/runtime'
import { shortIdOf } from '../identity.ts'
import type { NodeProfile, NodeSettings, SelfFields } from '../ledger-api.ts'
import type { MembershipState } from '../membership/reducer.ts'

export interface NodeSources {
  membership: MembershipState
  fieldsOf(id: NodeId): SelfFields
  settingsOf(id: NodeId): NodeSettings
}

export class NodeTable {
  readonly #byId = new Map<NodeId, NodeRecord>()
  readonly #members: NodeRecord[]

  constructor(sources: NodeSources) {
    const { members, former } = sources.membership
    const seniors = [...members.values()].sort((a, b) => a.seniority - b.seniority)
    const taken = new Set<string>()
    for (const { id, profile } of seniors) {
      const record = recordOf(id, profile, sources)
      if (taken.has(record.name)) record.name = `${record.name}-${shortIdOf(id).slice(0, 4)}`
      if (taken.has(record.name)) record.name = `${record.name}-${shortIdOf(id)}`
      taken.add(record.name)
      this.#byId.set(id, record)
    }
    this.#members = [...this.#byId.values()].sort((a, b) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1,
    )
    // Former members keep a record, so that what still names them can be shown; they are not listed.
    for (const { id, profile } of former.values()) {
      this.#byId.set(id, { ...recordOf(id, profile, sources), enabled: false, relay: false })
    }
  }

  get(id: NodeId): NodeRecord | undefined {
    return this.#byId.get(id)
  }

  all(): NodeRecord[] {
    return [...this.#members]
  }

  /** A member by its name, or by its id. */
  find(nameOrId: string): NodeRecord | undefined {
    return this.#members.find(({ name }) => name === nameOrId) ?? this.#members.find(({ id }) => id === nameOrId)
  }
}

function recordOf(id: NodeId, profile: NodeProfile, { fieldsOf, settingsOf }: NodeSources): NodeRecord {
  const self = { ...profile, ...fieldsOf(id) }
  const settings = settingsOf(id)
  return {
    id,
    name: settings.name ?? self.name,
    addresses: self.addresses,
    region: settings.region ?? self.region,
    priority: settings.priority ?? 100,
    enabled: settings.enabled ?? true,
    description: settings.description ?? '',
    relay: settings.relay ?? true,
    allow: settings.allow ?? [],
    version: self.version,
    witness: self.witness ?? false,
    hostName: self.hostName,
    services: self.services ?? {},
    dkim: self.dkim ?? [],
    administrators: self.administrators ?? [],
    tlsKeys: self.tlsKeys ?? [],
    authority: self.authority ?? '',
  }
}
