// Which entries hold, given the evictions that are in force: one pass in the common order, each entry judged by what its author knew.
import type { NodeId } from '@skein/runtime'
import type { MemberRole, NodeProfile } from '../ledger-api.ts'
import { recoveryAuthor } from './entry.ts'
import type { MembershipEntry } from './entry.ts'
import type { MembershipGraph } from './graph.ts'
import { joinProofHolds } from './invite.ts'
import { rotationProofHolds } from './rotation.ts'

/** A proposal to evict with the approvals that name it. Numbers are indexes into the graph's order. */
export interface EvictionCase {
  target: NodeId
  proposal: number
  signatures: number[]
}

export interface Admission {
  index: number
  /** Who let it in. */
  by: string
  role: MemberRole
  seniority: number
  profile: NodeProfile
}

export class Evaluation {
  readonly valid: boolean[] = []
  readonly admissions = new Map<NodeId, Admission>()
  readonly rotations = new Map<NodeId, { index: number; to: NodeId }>()
  /** Invite hash to the nodes that came by it. */
  readonly usedBy = new Map<string, Set<NodeId>>()
  readonly #graph: MembershipGraph
  readonly #evictions: ReadonlyMap<NodeId, EvictionCase>
  readonly #roles: { index: number; node: NodeId; role: MemberRole }[] = []

  constructor(graph: MembershipGraph, accepted: readonly EvictionCase[]) {
    this.#graph = graph
    this.#evictions = new Map(accepted.map((eviction) => [eviction.target, eviction]))
    for (const [i, entry] of graph.entries.entries()) this.valid.push(this.#judge(i, entry))
  }

  /** A member by the entries that the author of `at` knew. */
  isMemberAt(id: string, at: number): boolean {
    const admission = this.admissions.get(id)
    if (!admission || !this.#graph.knows(at, admission.index)) return false
    const rotation = this.rotations.get(id)
    return !rotation || !this.#graph.knows(at, rotation.index)
  }

  /** @param at index of an entry, or the number of entries for the role in force now */
  roleAt(id: NodeId, at: number): MemberRole {
    let role = this.admissions.get(id)?.role ?? 'member'
    for (const change of this.#roles) {
      if (change.node === id && (at >= this.#graph.entries.length || this.#graph.knows(at, change.index)))
        role = change.role
    }
    return role
  }

  #isAdminAt(id: string, at: number): boolean {
    return id === recoveryAuthor || (this.isMemberAt(id, at) && this.roleAt(id, at) === 'admin')
  }

  /** Not known to any signer of the eviction in force against `id`: it comes too late. */
  #tooLate(id: string, index: number): boolean {
    const eviction = this.#evictions.get(id)
    return eviction !== undefined && !eviction.signatures.some((s) => s === index || this.#graph.knows(s, index))
  }

  #judge(i: number, entry: MembershipEntry): boolean {
    const { author, body } = entry
    if (body.kind === 'genesis') {
      if (i !== 0) return false
      this.admissions.set(author, { index: 0, by: author, role: 'admin', seniority: 0, profile: body.profile })
      return true
    }
    if (author !== recoveryAuthor && !this.isMemberAt(author, i)) return false
    if (this.#tooLate(author, i)) return false
    const rotation = this.rotations.get(author)
    if (rotation && !this.#graph.knows(rotation.index, i)) return false
    switch (body.kind) {
      case 'invite':
      case 'policy':
        return this.#isAdminAt(author, i)
      case 'admit':
        return this.#judgeAdmit(i, author, body)
      case 'rotate':
        return this.#judgeRotate(i, author, body.to, body.proof)
      case 'role':
        return this.#judgeRole(i, author, body.node, body.role)
      case 'evict':
        return this.isMemberAt(body.node, i) && (author === body.node || this.#isAdminAt(author, i))
      default:
        return true
    }
  }

  #judgeAdmit(i: number, author: string, body: MembershipEntry['body'] & { kind: 'admit' }): boolean {
    const inviteIndex = this.#graph.indexOf.get(body.invite)
    if (inviteIndex === undefined || !this.valid[inviteIndex] || !this.#graph.knows(i, inviteIndex)) return false
    const invite = this.#graph.entries[inviteIndex]?.body
    if (invite?.kind !== 'invite' || this.#tooLate(body.node, i) || this.rotations.has(body.node)) return false
    // The one use of an entry's own time: an admin who wanted to let somebody in late could as well write a new invite.
    if ((this.#graph.entries[i]?.timeMs ?? 0) > invite.expiresMs) return false
    if (!proofHolds(this.#graph.entries[0]?.hash ?? '', body, invite.publicKey)) return false
    const used = this.usedBy.get(body.invite) ?? new Set()
    if (!used.has(body.node) && used.size >= invite.uses) return false
    if (this.admissions.has(body.node)) return true
    this.usedBy.set(body.invite, used.add(body.node))
    this.admissions.set(body.node, {
      index: i,
      by: author,
      role: invite.role,
      seniority: i,
      profile: body.profile,
    })
    return true
  }

  #judgeRotate(i: number, author: string, to: NodeId, proof: Uint8Array): boolean {
    const admission = this.admissions.get(author)
    const meshId = this.#graph.entries[0]?.hash ?? ''
    if (!admission || this.rotations.has(author) || this.admissions.has(to)) return false
    if (!rotationProofHolds(meshId, author, to, proof)) return false
    this.rotations.set(author, { index: i, to })
    this.admissions.set(to, { ...admission, index: i, by: author, role: this.roleAt(author, i) })
    return true
  }

  /** The right is given by any admin and taken by nobody but its holder or the recovery key: else `role` would be a cheaper eviction. */
  #judgeRole(i: number, author: string, node: NodeId, role: MemberRole): boolean {
    if (!this.isMemberAt(node, i)) return false
    const may = role === 'admin' ? this.#isAdminAt(author, i) : author === node || author === recoveryAuthor
    if (may) this.#roles.push({ index: i, node, role })
    return may
  }

  /** Distinct admins (or the recovery key, or the target itself) whose word for that eviction holds. */
  evictionSigners(eviction: EvictionCase): Set<string> {
    const signers = new Set<string>()
    for (const index of eviction.signatures) {
      const author = this.#graph.entries[index]?.author
      if (author !== undefined && this.valid[index]) signers.add(author)
    }
    return signers
  }

  /** Nodes that came in through `target`, or through such a node, unseen by whoever proposed to evict it. */
  broughtInBy(target: NodeId, proposal: number): Set<NodeId> {
    const brought = new Set<NodeId>()
    for (const [id, admission] of this.admissions) {
      if (admission.index === 0 || this.#saw(proposal, admission.index)) continue
      if (admission.by === target || brought.has(admission.by)) brought.add(id)
    }
    return brought
  }

  /**
   * The author of the proposal knew of that entry: by the proposal itself, or by another word of its that does not follow the proposal.
   * So nobody makes an eviction cheaper by writing it as if he had known less than he did.
   */
  #saw(proposal: number, index: number): boolean {
    if (this.#graph.knows(proposal, index)) return true
    const author = this.#graph.entries[proposal]?.author
    return this.#graph.entries.some(
      (entry, i) =>
        entry.author === author && i !== proposal && this.#graph.knows(i, index) && !this.#graph.knows(i, proposal),
    )
  }

  /** Two where three or more are members, the target and those not yet evicted counted; its own guests are not. */
  signaturesNeeded(eviction: EvictionCase, gone: ReadonlySet<NodeId>): number {
    const guests = this.broughtInBy(eviction.target, eviction.proposal)
    let members = 0
    for (const [id, admission] of this.admissions) {
      const later = this.#graph.knows(admission.index, eviction.proposal)
      const rotatedAway = this.rotations.has(id)
      if (!later && !rotatedAway && !guests.has(id) && !(gone.has(id) && id !== eviction.target)) members++
    }
    return members >= 3 ? 2 : 1
  }
}

/** Signature checks are dear and entries never change: each proof is judged once. */
const proofs = new WeakMap<MembershipEntry['body'], boolean>()

function proofHolds(meshId: string, body: MembershipEntry['body'] & { kind: 'admit' }, inviteKey: Uint8Array): boolean {
  let holds = proofs.get(body)
  if (holds === undefined) {
    holds = joinProofHolds(body.request, body.proof, { meshId, node: body.node, inviteKey })
    proofs.set(body, holds)
  }
  return holds
}
