// Which evictions are in force where several exclude each other: the strongest first (the recovery key, then more distinct admins,
// then the more senior, then the lower hash), each one voiding what its target did unseen by the signers.
import { recoveryAuthor } from './entry.ts'
import { Evaluation } from './evaluation.ts'
import type { EvictionCase } from './evaluation.ts'
import type { MembershipGraph } from './graph.ts'

/** All evictions ever proposed. A node's word about itself is a case of its own: it leaves. */
export function evictionCases(graph: MembershipGraph): EvictionCase[] {
  const cases = new Map<string, EvictionCase>()
  for (const [i, { hash, author, body }] of graph.entries.entries()) {
    if (body.kind !== 'evict') continue
    const proposed = body.proposal === undefined || author === body.node ? undefined : cases.get(body.proposal)
    if (proposed && proposed.target === body.node) proposed.signatures.push(i)
    else if (body.proposal === undefined || author === body.node) {
      cases.set(hash, { target: body.node, proposal: i, signatures: [i] })
    }
  }
  return [...cases.values()]
}

interface Strength {
  recovery: boolean
  signers: number
  seniority: number
  hash: string
}

function stronger(a: Strength, b: Strength): boolean {
  if (a.recovery !== b.recovery) return a.recovery
  if (a.signers !== b.signers) return a.signers > b.signers
  if (a.seniority !== b.seniority) return a.seniority < b.seniority
  return a.hash < b.hash
}

/**
 * A signer does not count when the target of a rival eviction let it in unseen by that rival: a node under eviction
 * can't raise its own majority.
 */
function countedSigners(eviction: EvictionCase, rivals: readonly EvictionCase[], evaluation: Evaluation): Set<string> {
  const signers = evaluation.evictionSigners(eviction)
  for (const rival of rivals) {
    if (rival === eviction || !signers.has(rival.target)) continue
    for (const guest of evaluation.broughtInBy(rival.target, rival.proposal)) signers.delete(guest)
  }
  return signers
}

export function effectiveEvictions(
  graph: MembershipGraph,
  cases: readonly EvictionCase[],
): { accepted: EvictionCase[]; evaluation: Evaluation } {
  const accepted: EvictionCase[] = []
  for (;;) {
    const evaluation = new Evaluation(graph, accepted)
    const gone = new Set(accepted.map(({ target }) => target))
    const open = cases.filter(({ target, proposal }) => !gone.has(target) && evaluation.valid[proposal])
    let best: { eviction: EvictionCase; strength: Strength } | undefined
    for (const eviction of open) {
      const signers = countedSigners(eviction, open, evaluation)
      const alone = signers.has(recoveryAuthor) || signers.has(eviction.target)
      if (!alone && signers.size < evaluation.signaturesNeeded(eviction, gone)) continue
      const seniorities = [...signers].map((id) => evaluation.admissions.get(id)?.seniority ?? Number.MAX_SAFE_INTEGER)
      const strength: Strength = {
        recovery: signers.has(recoveryAuthor),
        signers: signers.size,
        seniority: Math.min(...seniorities),
        hash: graph.entries[eviction.proposal]?.hash ?? '',
      }
      if (!best || stronger(strength, best.strength)) best = { eviction, strength }
    }
    if (!best) return { accepted, evaluation }
    accepted.push(best.eviction)
  }
}
