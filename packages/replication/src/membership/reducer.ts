// Who is a member, by the entries alone: a pure function, the same on every node that has the same entries.
// It decides on what the graph shows (who knew of what), never on what an entry says of itself, such as its time.
import type { NodeId } from '@skein/runtime'
import type { EvictProposal, MemberRole, NodeProfile } from '../ledger-api.ts'
import type { CborMap } from '../wire/fields.ts'
import { recoveryAuthor } from './entry.ts'
import type { Cutoffs, MembershipEntry } from './entry.ts'
import type { Evaluation, EvictionCase } from './evaluation.ts'
import { effectiveEvictions, evictionCases } from './eviction.ts'
import { MembershipGraph } from './graph.ts'

export interface MemberRecord {
  id: NodeId
  role: MemberRole
  /** Lower is older; the founder has 0. */
  seniority: number
  /** Hash of the entry that let it in. */
  admission: string
  profile: NodeProfile
}

export interface FormerMember {
  id: NodeId
  how: 'evicted' | 'left' | 'rotated'
  /** Batches above these numbers are refused; a document that is not named has the limit 0. */
  cutoffs: Cutoffs
  successor: NodeId | undefined
  reason: string
  signedBy: string[]
  profile: NodeProfile
}

export interface InviteRecord {
  hash: string
  publicKey: Uint8Array
  expiresMs: number
  uses: number
  role: MemberRole
  usedBy: NodeId[]
}

export interface MembershipState {
  meshId: string
  founder: NodeId
  recoveryKey: Uint8Array
  members: Map<NodeId, MemberRecord>
  former: Map<NodeId, FormerMember>
  invites: Map<string, InviteRecord>
  proposals: EvictProposal[]
  policy: CborMap
  /** For members without the admin role: their last batch of the mesh document that still counts. */
  settingsCutoffs: Map<NodeId, number>
  graph: MembershipGraph
}

/** @throws Error when the genesis entry is not among `entries`: the caller's mistake. */
export function reduceMembership(entries: Iterable<MembershipEntry>, meshId: string): MembershipState {
  const graph = new MembershipGraph(entries, meshId)
  const genesis = graph.entries[0]
  if (genesis?.body.kind !== 'genesis') throw new Error('a membership without its genesis')
  const cases = evictionCases(graph)
  const { accepted, evaluation } = effectiveEvictions(graph, cases)
  const former = formerMembers(graph, accepted, evaluation)
  const state: MembershipState = {
    meshId,
    founder: genesis.author,
    recoveryKey: genesis.body.recoveryKey,
    members: new Map(),
    former,
    invites: invitesOf(graph, evaluation),
    proposals: openProposals(graph, cases, accepted, evaluation),
    policy: {},
    settingsCutoffs: new Map(),
    graph,
  }
  const end = graph.entries.length
  for (const [id, admission] of evaluation.admissions) {
    if (former.has(id)) continue
    state.members.set(id, {
      id,
      role: evaluation.roleAt(id, end),
      seniority: admission.seniority,
      admission: graph.entries[admission.index]?.hash ?? '',
      profile: admission.profile,
    })
  }
  for (const [i, entry] of graph.entries.entries()) {
    if (!evaluation.valid[i]) continue
    if (entry.body.kind === 'policy') Object.assign(state.policy, entry.body.values)
    if (entry.body.kind === 'role' && entry.body.role === 'member') {
      const before = state.settingsCutoffs.get(entry.body.node) ?? 0
      state.settingsCutoffs.set(entry.body.node, Math.max(before, entry.body.cutoff))
    }
  }
  return state
}

function formerMembers(
  graph: MembershipGraph,
  accepted: EvictionCase[],
  evaluation: Evaluation,
): Map<NodeId, FormerMember> {
  const former = new Map<NodeId, FormerMember>()
  for (const [from, { index, to }] of evaluation.rotations) {
    const entry = graph.entries[index]
    const admission = evaluation.admissions.get(from)
    if (entry?.body.kind !== 'rotate' || !admission) continue
    former.set(from, {
      id: from,
      how: 'rotated',
      cutoffs: entry.body.cutoffs,
      successor: to,
      reason: 'changed its key',
      signedBy: [from],
      profile: admission.profile,
    })
  }
  for (const { target, proposal, signatures } of accepted) {
    const admission = evaluation.admissions.get(target)
    if (!admission) continue
    const cutoffs: Cutoffs = {}
    const signedBy = new Set<string>()
    for (const index of signatures) {
      const entry = graph.entries[index]
      if (!evaluation.valid[index] || entry?.body.kind !== 'evict') continue
      signedBy.add(entry.author)
      for (const [document, seq] of Object.entries(entry.body.cutoffs)) {
        cutoffs[document] = Math.max(cutoffs[document] ?? 0, seq)
      }
    }
    const first = graph.entries[proposal]
    former.set(target, {
      id: target,
      how: first?.author === target ? 'left' : 'evicted',
      cutoffs,
      successor: undefined,
      reason: first?.body.kind === 'evict' ? first.body.reason : '',
      signedBy: [...signedBy],
      profile: admission.profile,
    })
  }
  return former
}

function invitesOf(graph: MembershipGraph, evaluation: Evaluation): Map<string, InviteRecord> {
  const invites = new Map<string, InviteRecord>()
  for (const [i, { hash, body }] of graph.entries.entries()) {
    if (!evaluation.valid[i] || body.kind !== 'invite') continue
    const { publicKey, expiresMs, uses, role } = body
    invites.set(hash, { hash, publicKey, expiresMs, uses, role, usedBy: [...(evaluation.usedBy.get(hash) ?? [])] })
  }
  return invites
}

function openProposals(
  graph: MembershipGraph,
  cases: EvictionCase[],
  accepted: EvictionCase[],
  evaluation: Evaluation,
): EvictProposal[] {
  const gone = new Set(accepted.map(({ target }) => target))
  const open: EvictProposal[] = []
  for (const candidate of cases) {
    const admission = evaluation.admissions.get(candidate.target)
    const first = graph.entries[candidate.proposal]
    if (!admission || gone.has(candidate.target) || !evaluation.valid[candidate.proposal]) continue
    const signers = evaluation.evictionSigners(candidate)
    if (signers.size === 0 || first?.body.kind !== 'evict') continue
    open.push({
      id: first.hash,
      target: candidate.target,
      targetName: admission.profile.name,
      reason: first.body.reason,
      signedBy: [...signers].filter((signer) => signer !== recoveryAuthor),
      signaturesNeeded: evaluation.signaturesNeeded(candidate, gone),
    })
  }
  return open
}

/** The highest sequence number of that author's document that counts. */
export function seqLimit(state: MembershipState, author: NodeId, document: string): number {
  const member = state.members.get(author)
  if (member) {
    if (document !== 'mesh' || member.role === 'admin') return Number.POSITIVE_INFINITY
    return state.settingsCutoffs.get(author) ?? 0
  }
  return state.former.get(author)?.cutoffs[document] ?? 0
}

/** The node that answers for what `id` owned: itself, or its successor after a change of key. */
export function successorOf(state: MembershipState, id: NodeId): NodeId {
  let current = id
  for (let steps = 0; steps < 64; steps++) {
    const next = state.former.get(current)?.successor
    if (next === undefined) return current
    current = next
  }
  return current
}
