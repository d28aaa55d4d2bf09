// Flags as they are stored: system flags in canonical case and order, then keywords, each once (RFC 9051 §2.3.2).
// Equal sets are the same frozen array, so that a hundred thousand records share a few.
import { failures } from './failures.ts'
import { mailboxLimits } from './ports.ts'

const systemFlags = ['\\Seen', '\\Answered', '\\Flagged', '\\Deleted', '\\Draft'] as const
const systemBits = new Map<string, number>(systemFlags.map((flag, index) => [flag.toLowerCase(), 1 << index]))
// RFC 9051 §9 flag-keyword = atom.
const keywordPattern = /^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+$/
const sharedMax = 10_000
const shared = new Map<string, readonly string[]>()

const noFlags: readonly string[] = Object.freeze([])

export const seen = '\\Seen'

/** The one frozen array of these flags, which are canonical and in order. */
export function sharedFlags(flags: string[]): readonly string[] {
  return share(flags)
}

function share(flags: string[]): readonly string[] {
  if (flags.length === 0) return noFlags
  const key = flags.join(' ')
  let known = shared.get(key)
  if (!known) {
    if (shared.size >= sharedMax) shared.clear()
    known = Object.freeze(flags)
    shared.set(key, known)
  }
  return known
}

/** A mailbox's keywords while flags are being set: the case first used stays. */
export class Keywords {
  /** In the order first seen. */
  names: readonly string[]
  grown = false
  readonly #byLower = new Map<string, string>()

  constructor(names: readonly string[] = []) {
    this.names = names
    for (const name of names) this.#byLower.set(name.toLowerCase(), name)
  }

  /** @throws SkeinError `flag-invalid`, `too-many-keywords` */
  learn(keyword: string): string {
    const lower = keyword.toLowerCase()
    const known = this.#byLower.get(lower)
    if (known !== undefined) return known
    if (keyword.length > mailboxLimits.keywordBytesMax || !keywordPattern.test(keyword))
      throw failures.flagInvalid(keyword)
    if (this.#byLower.size >= mailboxLimits.keywordsPerMailboxMax) throw failures.tooManyKeywords()
    this.#byLower.set(lower, keyword)
    this.names = [...this.names, keyword]
    this.grown = true
    return keyword
  }

  find(keyword: string): string | undefined {
    return this.#byLower.get(keyword.toLowerCase())
  }
}

/**
 * @param learn false where flags are taken away: a keyword that nobody has is none to remember.
 * @throws SkeinError `flag-invalid`, `too-many-keywords`
 */
export function canonicalFlags(flags: readonly string[], keywords: Keywords, learn = true): readonly string[] {
  if (flags.length === 0) return noFlags
  let bits = 0
  const names = new Set<string>()
  for (const flag of flags) {
    if (flag.startsWith('\\')) {
      const bit = systemBits.get(flag.toLowerCase())
      if (bit !== undefined) bits |= bit
      // `\Recent` is the server's own, and no longer kept (RFC 9051 §2.3.2).
      else if (flag.toLowerCase() !== '\\recent') throw failures.flagInvalid(flag)
    } else {
      const name = learn ? keywords.learn(flag) : keywords.find(flag)
      if (name !== undefined) names.add(name)
    }
  }
  const system = systemFlags.filter((_flag, index) => bits & (1 << index))
  return share(names.size === 0 ? system : [...system, ...[...names].sort()])
}

function ordered(flags: ReadonlySet<string>): readonly string[] {
  const system = systemFlags.filter((flag) => flags.has(flag))
  const keywords = [...flags].filter((flag) => !flag.startsWith('\\'))
  return share([...system, ...keywords.sort()])
}

/** Canonical flags put in order, each once. */
export function orderedFlags(flags: Iterable<string>): readonly string[] {
  return ordered(new Set(flags))
}

/** Both arguments canonical. @returns `before` itself where nothing changes. */
export function changedFlags(
  before: readonly string[],
  mode: 'add' | 'remove' | 'replace',
  flags: readonly string[],
): readonly string[] {
  let after: readonly string[]
  if (mode === 'replace') after = flags
  else if (mode === 'add')
    after = flags.every((flag) => before.includes(flag)) ? before : ordered(new Set([...before, ...flags]))
  else
    after = before.some((flag) => flags.includes(flag))
      ? ordered(new Set(before.filter((it) => !flags.includes(it))))
      : before
  return sameFlags(before, after) ? before : after
}

function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((flag) => b.includes(flag)))
}
