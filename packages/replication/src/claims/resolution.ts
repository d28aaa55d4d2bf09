// Who keeps a name that several accounts claim: a pure function of the claims alone, so that all nodes that know the same
// claims say the same, in whatever order they learnt of them.
import { encodeCbor } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { fromHex, sha256, sha256Hex, shortIdOf } from '../identity.ts'
import type { EntryValue } from './entry-value.ts'

/**
 * 0: a majority of the registrars promised the name, at least one of them another node than the claimant.
 * 1: promised by the claimant alone, which was the only node. 2: provisional.
 * A node can write 1 for itself at will, so the word of others outranks it.
 */
export type ClaimRank = 0 | 1 | 2

export interface Claim {
  owner: NodeId
  value: EntryValue
}

export interface RankedClaim extends Claim {
  rank: ClaimRank
}

/** What a claim's registrars sign: sixteen bytes that name address, claimant, account, time and the registrars asked. */
export function claimDigest(
  address: string,
  owner: NodeId,
  claim: Pick<EntryValue, 'accountId' | 'claimTime' | 'registrars'>,
): Uint8Array {
  const { accountId, claimTime, registrars } = claim
  const bytes = encodeCbor([address, fromHex(shortIdOf(owner)), fromHex(accountId), claimTime, registrars.map(fromHex)])
  return sha256(bytes).slice(0, 16)
}

export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1
}

/**
 * @param holds is that acknowledgement true: the registrar is or was a member and its signature covers the claim.
 *   Without conflict it may answer true unseen; in a conflict it must verify.
 */
export function rankOf(
  claim: Claim,
  holds: (acknowledgement: EntryValue['acknowledgements'][number]) => boolean,
): ClaimRank {
  const { registrars, acknowledgements } = claim.value
  const self = shortIdOf(claim.owner)
  if (registrars.length === 0 || (registrars.length === 1 && registrars[0] === self)) return 1
  const asked = new Set(registrars)
  const promised = new Set<string>()
  for (const ack of acknowledgements) {
    if (ack.registrar !== self && asked.has(ack.registrar) && !promised.has(ack.registrar) && holds(ack)) {
      promised.add(ack.registrar)
    }
  }
  const others = promised.size
  const own = asked.has(self) ? 1 : 0
  return others > 0 && others + own >= majorityOf(asked.size) ? 0 : 2
}

const accountHashes = new Map<string, string>()

/** SHA-256 of the account id's bytes, hex. */
export function accountHash(accountId: string): string {
  let hash = accountHashes.get(accountId)
  if (hash === undefined) {
    hash = sha256Hex(fromHex(accountId))
    if (accountHashes.size >= 10_000) accountHashes.clear()
    accountHashes.set(accountId, hash)
  }
  return hash
}

/** Negative when `a` comes first: confirmed before provisional, then the earlier claim, then the lower hash of the account id. */
export function compareClaims(a: RankedClaim, b: RankedClaim): number {
  if (a.rank !== b.rank) return a.rank - b.rank
  if (a.value.claimTime !== b.value.claimTime) return a.value.claimTime - b.value.claimTime
  const [hashA, hashB] = [accountHash(a.value.accountId), accountHash(b.value.accountId)]
  return hashA < hashB ? -1 : hashA > hashB ? 1 : 0
}

/** `local~<hex>@domain`. @param digits six, or more where losers of one name would meet again */
export function renamedAddress(address: string, accountId: string, digits = 6): string {
  const at = address.lastIndexOf('@')
  return `${address.slice(0, at)}~${accountHash(accountId).slice(0, digits)}${address.slice(at)}`
}

/** True for names that only a lost conflict may give. */
export function looksRenamed(address: string): boolean {
  return /~[0-9a-f]{6,}@/.test(address)
}

export interface Resolution {
  winner: RankedClaim
  losers: { claim: RankedClaim; renamedTo: string }[]
}

/** One claim for each account: where two nodes name the same account, the better claim speaks, then the lower owner id. */
function onePerAccount(claims: readonly RankedClaim[]): RankedClaim[] {
  const best = new Map<string, RankedClaim>()
  for (const claim of claims) {
    const other = best.get(claim.value.accountId)
    const order = other ? compareClaims(claim, other) : -1
    if (order < 0 || (order === 0 && other && claim.owner < other.owner)) best.set(claim.value.accountId, claim)
  }
  return [...best.values()]
}

/** Undefined for no claims. */
export function resolveClaims(address: string, claims: readonly RankedClaim[]): Resolution | undefined {
  const [winner, ...rest] = onePerAccount(claims).sort(compareClaims)
  if (!winner) return undefined
  const names = new Set<string>()
  const losers = rest.map((claim) => {
    let digits = 6
    let renamedTo = renamedAddress(address, claim.value.accountId)
    while (names.has(renamedTo)) renamedTo = renamedAddress(address, claim.value.accountId, (digits += 6))
    names.add(renamedTo)
    return { claim, renamedTo }
  })
  return { winner, losers }
}
