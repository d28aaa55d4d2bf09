// The three registrars of a name and what they answer: pure rules. A registrar promises a name to one account, durably, and breaks
// that promise only when the account's own node gives it back.
import type { NodeId } from '@skein/runtime'
import { sha256Hex, shortIdOf } from '../identity.ts'
import { accountHash, majorityOf } from './resolution.ts'

/** The `count` nodes with the highest rendezvous score for that name, highest first. */
export function registrarsOf(address: string, candidates: readonly NodeId[], count: number): NodeId[] {
  if (candidates.length <= 1) return [...candidates]
  const scored = candidates.map((id) => ({
    id,
    score: sha256Hex(`${address}\0${id}`),
  }))
  scored.sort((a, b) => (a.score < b.score ? 1 : a.score > b.score ? -1 : 0))
  return scored.slice(0, count).map(({ id }) => id)
}

/** The registrars' short ids, sorted: how a claim names them. */
export function registrarKey(registrars: readonly NodeId[]): string[] {
  return registrars.map(shortIdOf).sort()
}

export interface ClaimIdentity {
  accountId: string
  claimTime: number
}

/** Earlier claim first, then the lower hash of the account id. */
function precedes(a: ClaimIdentity, b: ClaimIdentity): boolean {
  if (a.claimTime !== b.claimTime) return a.claimTime < b.claimTime
  return accountHash(a.accountId) < accountHash(b.accountId)
}

export interface RegistrarView {
  /** Has compared its map with a peer since it started, or is the only node. */
  informed: boolean
  /** Names the same registrars for this address as the claimant does. */
  agreesOnRegistrars: boolean
  isAlias: boolean
  /** Who has the name by the map now. */
  holder: string | undefined
  promised: ClaimIdentity | undefined
}

/**
 * granted: promised from now on. taken: the map or an alias has it. held: promised to another account, maybe not for long.
 * abstained: this registrar can't judge now.
 */
export type RegistrarAnswer =
  | { kind: 'granted' }
  | { kind: 'taken' }
  | { kind: 'held'; by: ClaimIdentity }
  | { kind: 'abstained' }

export function answerClaim(claim: ClaimIdentity, view: RegistrarView): RegistrarAnswer {
  if (view.isAlias) return { kind: 'taken' }
  if (view.holder !== undefined && view.holder !== claim.accountId) return { kind: 'taken' }
  if (view.promised && view.promised.accountId !== claim.accountId) return { kind: 'held', by: view.promised }
  if (!view.informed || !view.agreesOnRegistrars) return { kind: 'abstained' }
  return { kind: 'granted' }
}

/** confirmed: enough promises. taken: somebody else has it or comes first. contested: others must give way, ask again. open: too few answers. */
export type ClaimStanding = 'confirmed' | 'taken' | 'contested' | 'open'

/** What a claimant makes of the answers so far. @param asked how many registrars the name has */
export function standingOf(claim: ClaimIdentity, answers: readonly RegistrarAnswer[], asked: number): ClaimStanding {
  const majority = majorityOf(asked)
  if (answers.filter(({ kind }) => kind === 'granted').length >= majority) return 'confirmed'
  if (answers.some(({ kind }) => kind === 'taken')) return 'taken'
  const rivals = new Map<string, { by: ClaimIdentity; promises: number }>()
  for (const answer of answers) {
    if (answer.kind !== 'held') continue
    const rival = rivals.get(answer.by.accountId) ?? { by: answer.by, promises: 0 }
    rival.promises++
    rivals.set(answer.by.accountId, rival)
  }
  for (const { by, promises } of rivals.values()) if (promises >= majority || precedes(by, claim)) return 'taken'
  return rivals.size > 0 ? 'contested' : 'open'
}
