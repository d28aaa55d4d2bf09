// What operators do to the membership: invite, evict, leave, change roles. Each is one entry of the log, or none.
import { SkeinError } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { keyFromSeed } from './identity.ts'
import type { SeedKey } from './identity.ts'
import type { EvictOutcome, EvictProposal, InviteTerms, Member, MemberRole } from './ledger-api.ts'
import type { LedgerParts } from './ledger-parts.ts'
import type { Cutoffs } from './membership/entry.ts'
import { formatInvite } from './membership/invite.ts'
import type { MembershipState } from './membership/reducer.ts'
import { headSeq } from './streams/stream.ts'

const recoveryPrefix = 'skein-recovery1:'

export function formatRecoveryKey(seed: Uint8Array): string {
  return recoveryPrefix + Buffer.from(seed).toString('base64url')
}

/** @throws SkeinError `bad-recovery-key` when it is not the key of this mesh */
function recoveryKeyOf(text: string, state: MembershipState): SeedKey {
  const seed = new Uint8Array(Buffer.from(text.trim().slice(recoveryPrefix.length), 'base64url'))
  const key = text.trim().startsWith(recoveryPrefix) && seed.length === 32 ? keyFromSeed(seed) : undefined
  if (!key || Buffer.compare(key.publicKey, state.recoveryKey) !== 0) {
    throw new SkeinError('bad-recovery-key', 'refused', 'this is not the recovery key of this mesh')
  }
  return key
}

export class MembershipActs {
  readonly #parts: LedgerParts

  constructor(parts: LedgerParts) {
    this.#parts = parts
  }

  members(): Member[] {
    const members = [...(this.#parts.membership.state?.members.values() ?? [])]
    return members.sort((a, b) => a.seniority - b.seniority).map(({ id, role, admission }) => ({ id, role, admission }))
  }

  #requireAdmin(state: MembershipState): void {
    if (state.members.get(this.#parts.self)?.role !== 'admin') {
      throw new SkeinError('not-permitted', 'refused', 'this node has no admin role in the mesh')
    }
  }

  #targetOf(nameOrId: string): NodeId {
    const node = this.#parts.nodes.find(nameOrId)
    if (!node) throw new SkeinError('no-such-node', 'refused', `the mesh has no node ${nameOrId}`)
    return node.id
  }

  async createInvite({ ttlMs, uses, role = 'admin' }: InviteTerms): Promise<string> {
    const { membership, settings, components, self } = this.#parts
    const validTerms = ttlMs > 0 && ttlMs <= settings.inviteTtlMsMax && Number.isInteger(uses)
    if (!validTerms || uses < 1 || uses > settings.inviteUsesMax) {
      throw new SkeinError('bad-invite-terms', 'refused', 'an invite lives up to 30 days and has 1 to 1000 uses')
    }
    const seed = components.random.bytes(32)
    const expiresMs = Math.floor(components.clock.nowMs() + ttlMs)
    const { publicKey } = keyFromSeed(seed)
    await membership.append((state) => {
      this.#requireAdmin(state)
      return { kind: 'invite', publicKey, expiresMs, uses, role }
    })
    const others = this.#parts.nodes
      .all()
      .filter(({ id, enabled, addresses }) => id !== self && enabled && addresses.length > 0)
    const peers = [self, ...others.slice(0, 2).map(({ id }) => id)].map((id) => ({
      id,
      addresses: this.#parts.addressesOf(id),
    }))
    return formatInvite({ meshId: membership.required.meshId, peers, seed, expiresMs })
  }

  #cutoffsOf(node: NodeId): Cutoffs {
    return Object.fromEntries(
      [...this.#parts.table.ofAuthor(node)].map((state) => [state.stream.document, headSeq(state)]),
    )
  }

  async proposeEvict(nameOrId: string, reason: string, recoveryKey: string | undefined): Promise<EvictOutcome> {
    const { membership, self } = this.#parts
    const target = this.#targetOf(nameOrId)
    const recovery = recoveryKey === undefined ? undefined : recoveryKeyOf(recoveryKey, membership.required)
    let id = ''
    const entry = await membership.append((state) => {
      if (!recovery && target !== self) this.#requireAdmin(state)
      if (!state.members.has(target)) throw new SkeinError('no-such-node', 'refused', 'that node is no member any more')
      const pending = state.proposals.find((proposal) => proposal.target === target)
      // A second admin who asks for the same thing approves it.
      const proposal = recovery || target === self ? undefined : pending?.id
      if (proposal !== undefined) id = proposal
      if (proposal !== undefined && pending?.signedBy.includes(self)) return undefined
      return { kind: 'evict', node: target, cutoffs: this.#cutoffsOf(target), reason, proposal }
    }, recovery)
    return { effective: membership.required.former.has(target), id: id || (entry?.hash ?? '') }
  }

  async approveEvict(proposalId: string): Promise<EvictOutcome> {
    const { membership, self } = this.#parts
    let target: NodeId | undefined
    await membership.append((state) => {
      this.#requireAdmin(state)
      const proposal = state.proposals.find(({ id }) => id === proposalId)
      if (!proposal) throw new SkeinError('no-such-proposal', 'refused', 'there is no such proposal, or it is settled')
      target = proposal.target
      if (proposal.signedBy.includes(self)) return undefined
      const { reason } = proposal
      return { kind: 'evict', node: target, cutoffs: this.#cutoffsOf(target), reason, proposal: proposalId }
    })
    return { effective: target !== undefined && membership.required.former.has(target), id: proposalId }
  }

  pendingEvictions(): EvictProposal[] {
    const { membership } = this.#parts
    if (!membership.state) return []
    return membership.state.proposals.map((proposal) => ({
      ...proposal,
      targetName: this.#parts.nodes.get(proposal.target)?.name ?? proposal.targetName,
    }))
  }

  async leave(reason: string): Promise<void> {
    await this.proposeEvict(this.#parts.self, reason, undefined)
  }

  async setRole(nameOrId: string, role: MemberRole, recoveryKey: string | undefined): Promise<void> {
    const { membership, self } = this.#parts
    const node = this.#targetOf(nameOrId)
    const recovery = recoveryKey === undefined ? undefined : recoveryKeyOf(recoveryKey, membership.required)
    await membership.append((state) => {
      const member = state.members.get(node)
      if (!member || member.role === role) return undefined
      if (!recovery && role === 'admin') this.#requireAdmin(state)
      if (!recovery && role === 'member' && node !== self) {
        throw new SkeinError(
          'not-permitted',
          'refused',
          'only the node itself or the recovery key gives up the admin role',
        )
      }
      return { kind: 'role', node, role, cutoff: this.#cutoffsOf(node)['mesh'] ?? 0 }
    }, recovery)
  }
}
