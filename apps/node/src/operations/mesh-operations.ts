// status, invite, node.*, domain.*, alias.*: what the whole mesh shares and how it stands.
import type { NodeRecord } from '@skein/accounts'
import { canonicalAddress, canonicalDomain } from '@skein/mail'
import { SkeinError } from '@skein/runtime'
import { z } from 'zod'
import type { NodeView } from '../cli/node-commands.ts'
import type { StatusView } from '../control/status-view.ts'
import { skeinVersion } from '../version.ts'
import { type NodeParts, type Operation, addressGiven, nameOfNode, nodeByName, operation } from './operation.ts'

const status = operation({
  name: 'status',
  params: z.strictObject({}),
  fromPeers: true,
  async run(parts): Promise<StatusView> {
    const { ledger, mesh, delivery } = parts
    const links = new Map(mesh.peers().map((peer) => [peer.id, peer]))
    const others = ledger.directory.nodes().filter((node) => node.id !== ledger.self)
    const down = others.filter((node) => !links.has(node.id)).map((node) => node.name)
    const queue = delivery.stats()
    const { visits, refused, tarpit, bans } = parts.doorkeeper.stats()
    const { selfMade, notAfterMs } = parts.certificates.view()
    return {
      state: 'ready',
      name: nameOfNode(parts, ledger.self),
      nodeId: ledger.self,
      meshId: ledger.meshId ?? '',
      version: skeinVersion,
      startedMs: parts.startedMs,
      memoryBytes: process.memoryUsage.rss(),
      listeners: parts.listeners(),
      peers: others.map((node) => {
        const link = links.get(node.id)
        return {
          name: node.name,
          id: node.id,
          state: link ? 'up' : 'down',
          address: link?.address ?? null,
          rttMs: link?.rttMs ?? null,
        }
      }),
      directory: {
        nodes: others.length + 1,
        users: ledger.directory.count(),
        domains: ledger.directory.domains().length,
        aliases: ledger.directory.aliases().length,
      },
      queue: { letters: queue.letters, recipients: queue.recipients, bytes: queue.bytes },
      door: { visits, refused, tarpitted: tarpit.entered, bans },
      proposals: ledger.pendingEvictions().map((proposal) => ({
        name: proposal.targetName,
        by: proposal.signedBy.map((id) => nameOfNode(parts, id)),
        reason: proposal.reason,
      })),
      certificate: { selfMade, notAfterMs },
      warnings: [...(down.length > 0 ? [`not reachable: ${down.join(', ')}`] : []), ...parts.certificates.warnings()],
    }
  },
})

const invite = operation({
  name: 'invite',
  params: z.strictObject({
    ttlMs: z
      .int()
      .min(1)
      .max(365 * 86_400_000),
    uses: z.int().min(1).max(1000),
  }),
  fromPeers: false,
  run: async (parts, params) => ({ token: await parts.ledger.createInvite(params) }),
})

function nodeView(parts: NodeParts, node: NodeRecord, users: number): NodeView {
  const { ledger, mesh } = parts
  const up = node.id === ledger.self || mesh.connected().includes(node.id)
  return {
    name: node.name,
    id: node.id,
    addresses: node.addresses,
    region: node.region,
    priority: node.priority,
    enabled: node.enabled,
    relay: node.relay,
    description: node.description,
    state: up ? 'up' : 'down',
    users,
    version: node.version,
    hostName: node.hostName,
    witness: node.witness,
    allow: node.allow,
  }
}

async function usersByNode(parts: NodeParts): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for await (const entry of parts.ledger.directory.entries()) {
    counts.set(entry.home, (counts.get(entry.home) ?? 0) + 1)
  }
  return counts
}

const listNodes = operation({
  name: 'node.list',
  params: z.strictObject({}),
  fromPeers: false,
  async run(parts) {
    const counts = await usersByNode(parts)
    return parts.ledger.directory.nodes().map((node) => nodeView(parts, node, counts.get(node.id) ?? 0))
  },
})

const setNode = operation({
  name: 'node.set',
  params: z.strictObject({
    name: z.string(),
    priority: z.int().min(0).max(1_000_000).optional(),
    enabled: z.boolean().optional(),
    description: z.string().max(500).optional(),
    region: z.string().max(100).optional(),
    relay: z.boolean().optional(),
    allow: z.array(z.string()).max(1000).optional(),
  }),
  fromPeers: false,
  async run(parts, { name, ...fields }) {
    const id = nodeByName(parts, name)
    const settings = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
    await parts.ledger.setNode(id, settings)
    const node = parts.ledger.directory.node(id)
    if (!node) throw new SkeinError('no-such-node', 'refused', `${name} left the mesh meanwhile`)
    const counts = await usersByNode(parts)
    return nodeView(parts, node, counts.get(id) ?? 0)
  },
})

const removeNode = operation({
  name: 'node.remove',
  params: z.strictObject({
    name: z.string(),
    reason: z.string().max(500).default(''),
    recoveryKey: z.string().optional(),
  }),
  fromPeers: false,
  async run(parts, { name, reason, recoveryKey }) {
    const { ledger } = parts
    const id = nodeByName(parts, name)
    if (id === ledger.self) {
      if (ledger.members().length === 1) {
        throw new SkeinError(
          'last-member',
          'refused',
          `${name} is the mesh’s only node: nothing would be left of the mesh`,
        )
      }
      // A node that leaves takes the mailboxes with it. One that is put out by others may be burnt or stolen.
      const users = (await usersByNode(parts)).get(id) ?? 0
      if (users > 0) {
        throw new SkeinError(
          'node-has-users',
          'refused',
          `${name} is the home of ${users} users: move or remove them first`,
        )
      }
      await ledger.leave(reason)
      return { name, state: 'removed' }
    }
    const proposal = ledger
      .pendingEvictions()
      .find((pending) => pending.target === id && !pending.signedBy.includes(ledger.self))
    const outcome =
      proposal && recoveryKey === undefined
        ? await ledger.approveEvict(proposal.id)
        : await ledger.proposeEvict(id, reason, recoveryKey === undefined ? {} : { recoveryKey })
    return { name, state: outcome.effective ? 'removed' : 'proposed' }
  },
})

const domainFields = {
  policy: z.enum(['auto', 'strict', 'local']).optional(),
  replicas: z.int().min(0).max(16).optional(),
  mtaSts: z.enum(['none', 'testing', 'enforce']).optional(),
  /** '': none. */
  catchAll: z.string().optional(),
  aliasOf: z.string().optional(),
}

interface DomainFields {
  catchAll?: string | undefined
  aliasOf?: string | undefined
}

function domainSettings<Fields extends DomainFields>(fields: Fields) {
  const { catchAll, aliasOf } = fields
  return given({
    ...fields,
    catchAll: catchAll === undefined || catchAll === '' ? catchAll : addressGiven(catchAll),
    aliasOf: aliasOf === undefined || aliasOf === '' ? aliasOf : domainOf(aliasOf),
  })
}

function given<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]?: Exclude<Fields[Key], undefined>
  }
}

/** As people write it (capitals, Chinese) in the form that the mesh keeps. @throws SkeinError `bad-domain` */
function domainOf(text: string): string {
  const name = canonicalDomain(text)
  if (name === undefined) throw new SkeinError('bad-domain', 'refused', `"${text}" is not a domain name`)
  return name
}

/** @throws SkeinError `bad-address` */
function addressOf(text: string): string {
  const address = canonicalAddress(text)
  if (address === undefined) throw new SkeinError('bad-address', 'refused', `"${text}" is not a mail address`)
  return address
}

const domainOperations: Operation[] = [
  operation({
    name: 'domain.add',
    params: z.strictObject({ name: z.string(), ...domainFields }),
    fromPeers: false,
    async run(parts, { name: text, ...fields }) {
      const name = domainOf(text)
      await parts.ledger.addDomain(name, domainSettings(fields))
      return { name }
    },
  }),
  operation({
    name: 'domain.list',
    params: z.strictObject({}),
    fromPeers: false,
    run: async (parts) => parts.ledger.directory.domains(),
  }),
  operation({
    name: 'domain.set',
    params: z.strictObject({ name: z.string(), ...domainFields }),
    fromPeers: false,
    async run(parts, { name: text, ...fields }) {
      const name = domainOf(text)
      await parts.ledger.setDomain(name, domainSettings(fields))
      return { name }
    },
  }),
  operation({
    name: 'domain.remove',
    params: z.strictObject({ name: z.string() }),
    fromPeers: false,
    async run(parts, { name: text }) {
      const name = domainOf(text)
      await parts.ledger.removeDomain(name)
      return { name }
    },
  }),
]

const aliasOperations: Operation[] = [
  operation({
    name: 'alias.add',
    params: z.strictObject({ address: z.string(), targets: z.array(z.string()).min(1).max(1000) }),
    fromPeers: false,
    async run(parts, { address: text, targets: texts }) {
      const address = addressOf(text)
      const targets = texts.map(addressOf)
      const alias = { address: addressGiven(address), targets: targets.map(addressGiven) }
      await parts.ledger.addAlias(alias.address, alias.targets)
      return alias
    },
  }),
  operation({
    name: 'alias.list',
    params: z.strictObject({}),
    fromPeers: false,
    run: async (parts) => parts.ledger.directory.aliases(),
  }),
  operation({
    name: 'alias.remove',
    params: z.strictObject({ address: z.string() }),
    fromPeers: false,
    async run(parts, { address: text }) {
      const address = addressOf(text)
      const given = addressGiven(address)
      await parts.ledger.removeAlias(given)
      return { address: given }
    },
  }),
]

export const meshOperations: Operation[] = [
  status,
  invite,
  listNodes,
  setNode,
  removeNode,
  ...domainOperations,
  ...aliasOperations,
]
