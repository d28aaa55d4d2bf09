// What operators do to the shared settings, from any node: domains, aliases, nodes. Each is one batch of the shared document.
import { parseNetwork } from './cidr.ts'
import { hex } from './identity.ts'
import { SkeinError } from '@skein/runtime'
import type { DomainSettings, DoorRule, MailSettings, NodeSettings, SelfFields } from './ledger-api.ts'
import type { LedgerParts } from './ledger-parts.ts'
import {
  aliasKey,
  domainKey,
  doorKey,
  encodeAlias,
  encodeDomain,
  encodeDoorRule,
  encodeNodeField,
  encodeSecret,
  nodeFieldKey,
  secretKey,
} from './settings/mesh-settings.ts'
import { encodeSelf, nodeDocument } from './settings/node-documents.ts'
import { sharedDocument } from './streams/documents.ts'
import type { Changes } from './streams/documents.ts'

export function isDomainName(name: string): boolean {
  return name.length <= 253 && /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/.test(name)
}

export function isNodeName(name: string, charactersMax: number): boolean {
  return name.length <= charactersMax && /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name)
}

export class SettingsActs {
  readonly #parts: LedgerParts

  constructor(parts: LedgerParts) {
    this.#parts = parts
  }

  #noSuchDomain(name: string): SkeinError {
    return new SkeinError('no-such-domain', 'refused', `${name} is not a domain of this mesh`)
  }

  async addDomains(names: readonly string[], settings: DomainSettings): Promise<void> {
    for (const name of names) {
      if (!isDomainName(name)) throw new SkeinError('bad-domain', 'refused', `"${name}" is not a domain name`)
    }
    await this.#parts.streams.transact(sharedDocument, async (held) => {
      const write: Changes = new Map()
      for (const name of names) {
        if (this.#parts.meshSettings.domains.has(name)) {
          throw new SkeinError('domain-exists', 'refused', `the mesh has the domain ${name} already`)
        }
        write.set(domainKey(name), encodeDomain(this.#checkDomain(name, settings), held.get(domainKey(name))))
      }
      return { write }
    })
  }

  async setDomain(name: string, settings: DomainSettings): Promise<void> {
    await this.#parts.streams.transact(sharedDocument, async (held) => {
      const before = held.get(domainKey(name))
      if (!before) throw this.#noSuchDomain(name)
      return { write: new Map([[domainKey(name), encodeDomain(this.#checkDomain(name, settings), before)]]) }
    })
  }

  async removeDomain(name: string): Promise<void> {
    const { meshSettings, map, streams } = this.#parts
    if (!meshSettings.domains.has(name)) throw this.#noSuchDomain(name)
    const stands = [...meshSettings.domains.values()].find(({ aliasOf }) => aliasOf === name)
    if (stands) throw new SkeinError('domain-in-use', 'refused', `the domain ${stands.name} stands for ${name}`)
    const aliased = [...meshSettings.aliases.keys()].some((address) => address.endsWith(`@${name}`))
    if (aliased || (await map.hasUsersIn(name))) {
      throw new SkeinError('domain-in-use', 'refused', `there are users or aliases in ${name}`)
    }
    await streams.transact(sharedDocument, async () => ({ write: new Map([[domainKey(name), undefined]]) }))
  }

  async addAlias(address: string, targets: readonly string[]): Promise<void> {
    const { meshSettings, map, streams, settings } = this.#parts
    this.#parts.checkAddress(address)
    const malformed = targets.find((target) => !looksCanonical(target))
    if (targets.length === 0 || targets.length > settings.aliasTargetsMax || malformed !== undefined) {
      throw new SkeinError(
        'bad-address',
        'refused',
        `an alias needs addresses as targets: ${malformed ?? 'none given'}`,
      )
    }
    await streams.transact(sharedDocument, async () => {
      if (meshSettings.aliases.has(address) || map.lookup(address)) {
        throw new SkeinError('address-taken', 'refused', `the address ${address} is taken`)
      }
      return { write: new Map([[aliasKey(address), encodeAlias(targets)]]) }
    })
  }

  async removeAlias(address: string): Promise<void> {
    await this.#parts.streams.transact(sharedDocument, async (held) => {
      if (!held.get(aliasKey(address))) {
        throw new SkeinError('no-such-alias', 'refused', `there is no alias ${address}`)
      }
      return { write: new Map([[aliasKey(address), undefined]]) }
    })
  }

  async setDoorRule(rule: DoorRule): Promise<void> {
    const { streams, meshSettings, settings } = this.#parts
    const { subject, reason, untilMs } = rule
    const isSubject = subject.length <= 320 && subject === subject.toLowerCase() && /^[^\s]+$/.test(subject)
    if (!isSubject || reason.length > settings.doorReasonCharactersMax || untilMs === 0) {
      throw new SkeinError('bad-door-rule', 'refused', `"${subject}" can't be blocked or allowed like that`)
    }
    await streams.transact(sharedDocument, async (held) => {
      if (!meshSettings.doorRules.has(subject) && meshSettings.doorRules.size >= settings.doorRulesMax) {
        throw new SkeinError('too-many-door-rules', 'refused', `there are ${settings.doorRulesMax} of them already`)
      }
      return { write: new Map([[doorKey(subject), encodeDoorRule(rule, held.get(doorKey(subject)))]]) }
    })
  }

  async removeDoorRule(subject: string): Promise<void> {
    await this.#parts.streams.transact(sharedDocument, async (held) => {
      if (!held.get(doorKey(subject))) {
        throw new SkeinError('no-such-door-rule', 'refused', `${subject} is neither blocked nor allowed`)
      }
      return { write: new Map([[doorKey(subject), undefined]]) }
    })
  }

  async setNode(nameOrId: string, settings: NodeSettings): Promise<void> {
    const node = this.#parts.nodes.find(nameOrId)
    if (!node) throw new SkeinError('no-such-node', 'refused', `the mesh has no node ${nameOrId}`)
    this.#checkNode(node.id, settings)
    await this.#parts.streams.transact(sharedDocument, async () => {
      const write: Changes = new Map()
      for (const [field, value] of Object.entries(settings)) {
        if (value !== undefined) write.set(nodeFieldKey(node.id, field), encodeNodeField(value))
      }
      return { write }
    })
  }

  #checkNode(id: string, { name, allow, description, priority }: NodeSettings): void {
    const limits = this.#parts.settings
    const unreadable = allow?.find((item) => !parseNetwork(item))
    if (unreadable !== undefined || (allow?.length ?? 0) > limits.allowListMax) {
      throw new SkeinError('bad-allow-list', 'refused', `"${unreadable ?? ''}" is not an address or a network`)
    }
    if (name !== undefined && !isNodeName(name, limits.nodeNameCharactersMax)) {
      throw new SkeinError('bad-name', 'refused', `"${name}" can't be a node's name`)
    }
    if (name !== undefined && this.#parts.nodes.all().some((other) => other.name === name && other.id !== id)) {
      throw new SkeinError('name-taken', 'refused', `the mesh has a node ${name} already`)
    }
    if ((description?.length ?? 0) > limits.descriptionCharactersMax) {
      throw new SkeinError('description-too-long', 'refused', 'the description is too long')
    }
    if (priority !== undefined && !Number.isSafeInteger(priority)) {
      throw new SkeinError('bad-priority', 'refused', 'a priority is a whole number')
    }
  }

  #checkDomain(name: string, settings: DomainSettings): DomainSettings {
    checkDomain(settings)
    const { domains } = this.#parts.meshSettings
    const { catchAll, aliasOf } = { ...domains.get(name), ...settings }
    if (settings.catchAll && !looksCanonical(settings.catchAll)) {
      throw new SkeinError('bad-address', 'refused', `"${settings.catchAll}" is not a mail address`)
    }
    if (catchAll && aliasOf) {
      throw new SkeinError('bad-domain-alias', 'refused', `${name} stands for ${aliasOf}, whose catch-all counts`)
    }
    if (!settings.aliasOf) return settings
    if (settings.aliasOf === name || !domains.has(settings.aliasOf)) {
      throw new SkeinError('bad-domain-alias', 'refused', `${settings.aliasOf} is no other domain of this mesh`)
    }
    const stands = [...domains.values()].find((other) => other.aliasOf === name)
    if (domains.get(settings.aliasOf)?.aliasOf || stands) {
      throw new SkeinError('bad-domain-alias', 'refused', 'a domain that stands for another can’t be stood for')
    }
    return settings
  }

  checkForward(forward: MailSettings['forward']): void {
    if (!forward) return
    const malformed = forward.to.find((target) => !looksCanonical(target))
    if (forward.to.length > 0 && forward.to.length <= this.#parts.settings.forwardTargetsMax && !malformed) return
    throw new SkeinError('bad-address', 'refused', `mail can’t go on to ${malformed ?? 'none or so many addresses'}`)
  }

  async addSecret(purpose: string, key: Uint8Array): Promise<void> {
    const { clock, random } = this.#parts.components
    const name = secretKey(purpose, hex(random.bytes(8)))
    await this.#parts.streams.transact(sharedDocument, async () => ({
      write: new Map([[name, encodeSecret(key, clock.nowMs())]]),
    }))
  }

  async removeSecret(purpose: string, id: string): Promise<void> {
    await this.#parts.streams.transact(sharedDocument, async () => ({
      write: new Map([[secretKey(purpose, id), undefined]]),
    }))
  }

  /** Only what is different from what the node says of itself already. */
  selfChanges(fields: SelfFields): SelfFields {
    const { self, nodeDocuments, membership } = this.#parts
    const now: SelfFields = { ...membership.required.members.get(self)?.profile, ...nodeDocuments.fieldsOf(self) }
    const changed = Object.entries(fields).filter(
      ([field, value]) =>
        value !== undefined && JSON.stringify(value) !== JSON.stringify(now[field as keyof SelfFields]),
    )
    return Object.fromEntries(changed)
  }

  async setSelf(fields: SelfFields): Promise<void> {
    await this.#parts.streams.transact(nodeDocument, async () => ({ write: encodeSelf(this.selfChanges(fields)) }))
  }
}

function looksCanonical(address: string): boolean {
  return /^[^\s@]+@[^\s@]+$/.test(address) && address === address.toLowerCase() && address.length <= 320
}

function checkDomain(settings: DomainSettings): void {
  const { policy, replicas, mtaSts } = settings
  if (policy !== undefined && policy !== 'auto' && policy !== 'strict' && policy !== 'local') {
    throw new SkeinError('bad-policy', 'refused', 'a policy is auto, strict or local')
  }
  if (replicas !== undefined && (!Number.isInteger(replicas) || replicas < 0 || replicas > 16)) {
    throw new SkeinError('bad-replicas', 'refused', 'a domain has 0 to 16 replicas')
  }
  if (mtaSts !== undefined && mtaSts !== 'none' && mtaSts !== 'testing' && mtaSts !== 'enforce') {
    throw new SkeinError('bad-mta-sts', 'refused', 'an MTA-STS mode is none, testing or enforce')
  }
}
