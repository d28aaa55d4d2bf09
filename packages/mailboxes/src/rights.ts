// What one may do with a mailbox (RFC 4314 §2.1): letters, each once, in one order. Pure.
import type { AccountId } from '@skein/accounts'

/** `l` see it · `r` read · `s` keep \Seen · `w` other flags · `i` put in · `p` post · `k` make below · `x` delete · `t` \Deleted · `e` expunge · `a` administer */
export type Rights = string

/** In the order of RFC 4314 §2.1. */
export const allRights: Rights = 'lrswipkxtea'

export const anyone = 'anyone'

export interface AclEntry {
  /** An account, or `anyone`: everybody who can log in here. */
  who: AccountId
  /** These are taken away again, whatever else grants them (RFC 4314 §2). */
  negative?: boolean
  rights: Rights
}

export type AclChange = 'add' | 'remove' | 'replace'

/** In order, each once; what is no right is left out. */
export function orderedRights(letters: Iterable<string>): Rights {
  const wanted = new Set(letters)
  let rights = ''
  for (const right of allRights) if (wanted.has(right)) rights += right
  return rights
}

/** Of somebody who is not the owner. */
export function rightsOf(acl: readonly AclEntry[] | undefined, user: AccountId): Rights {
  if (acl === undefined || acl.length === 0) return ''
  const granted = new Set<string>()
  for (const { who, negative, rights } of acl) {
    if (negative !== true && (who === user || who === anyone)) for (const right of rights) granted.add(right)
  }
  for (const { who, negative, rights } of acl) {
    if (negative === true && (who === user || who === anyone)) for (const right of rights) granted.delete(right)
  }
  return orderedRights(granted)
}

/** The list with one entry changed; an entry without rights is none. */
export function changedAcl(
  acl: readonly AclEntry[],
  { who, negative, rights }: AclEntry,
  change: AclChange,
): readonly AclEntry[] {
  const isIt = (entry: AclEntry) => entry.who === who && (entry.negative ?? false) === (negative ?? false)
  const before = acl.find(isIt)?.rights ?? ''
  const letters = change === 'replace' ? rights : change === 'add' ? before + rights : without(before, rights)
  const after = orderedRights(letters)
  const others = acl.filter((entry) => !isIt(entry))
  if (after === '') return others
  return [...others, negative === true ? { who, negative, rights: after } : { who, rights: after }]
}

function without(rights: Rights, taken: Rights): Rights {
  return rights
    .split('')
    .filter((right) => !taken.includes(right))
    .join('')
}

/** Whoever the list grants something: under these names the mailbox stands in the index of shares. */
export function granteesOf(acl: readonly AclEntry[] | undefined): ReadonlySet<string> {
  const grantees = new Set<string>()
  for (const { who, negative } of acl ?? []) if (negative !== true) grantees.add(who)
  return grantees
}

/** RFC 4314 §2.1, §4: which right a flag needs to be set or cleared. */
export function rightForFlag(flag: string): string {
  const lower = flag.toLowerCase()
  if (lower === '\\seen') return 's'
  return lower === '\\deleted' ? 't' : 'w'
}

/** Those that somebody with these rights may set. */
export function permittedFlags(flags: readonly string[], rights: Rights): readonly string[] {
  return flags.every((flag) => rights.includes(rightForFlag(flag)))
    ? flags
    : flags.filter((flag) => rights.includes(rightForFlag(flag)))
}
