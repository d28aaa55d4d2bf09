// Who is always let in and who never, by the operators' word: addresses, networks, sender domains and senders.
import { canonicalAddress, canonicalDomain, splitAddress } from '@skein/mail'
import { createAddressSet, plainAddress } from '@skein/runtime'

export interface DoorRule {
  /** An address, a network (CIDR), a domain (with all below it) or a sender's address; in canonical form. */
  subject: string
  list: 'block' | 'allow'
  reason: string
  /** Null: until it is removed. */
  untilMs: number | null
}

/** As people write it, in the one form by which it is kept. Undefined: none of these. */
export function canonicalSubject(text: string): string | undefined {
  const plain = plainAddress(text.trim().toLowerCase())
  if (isNetwork(plain)) return plain
  return plain.includes('@') ? canonicalAddress(plain) : plain.includes('/') ? undefined : canonicalDomain(plain)
}

function isNetwork(text: string): boolean {
  try {
    createAddressSet([text])
    return true
  } catch {
    return false
  }
}

export class StaticLists {
  readonly #senders = new Map<string, DoorRule>()
  readonly #addresses: { rule: DoorRule; matches: (address: string) => boolean }[] = []

  /** What can't be read is passed over: a later version may know more. */
  constructor(rules: Iterable<DoorRule>) {
    for (const rule of rules) {
      if (isNetwork(rule.subject)) this.#addresses.push({ rule, matches: createAddressSet([rule.subject]) })
      else this.#senders.set(rule.subject, rule)
    }
  }

  /** The more exact rule counts: a network is blocked, one address of it is allowed. */
  ofAddress(address: string, nowMs: number): DoorRule | undefined {
    let best: DoorRule | undefined
    for (const { rule, matches } of this.#addresses) {
      if (!stands(rule, nowMs) || !matches(address)) continue
      if (!best || bitsOf(rule.subject) > bitsOf(best.subject)) best = rule
    }
    return best
  }

  /** Its own, that of its domain, or that of a domain above. */
  ofSender(sender: string, nowMs: number): DoorRule | undefined {
    const address = canonicalAddress(sender)
    if (address === undefined) return undefined
    const names = [address]
    for (let domain = splitAddress(address).domain; domain !== ''; domain = domain.slice(domain.indexOf('.') + 1)) {
      names.push(domain)
      if (!domain.includes('.')) break
    }
    for (const name of names) {
      const rule = this.#senders.get(name)
      if (rule && stands(rule, nowMs)) return rule
    }
    return undefined
  }
}

function stands({ untilMs }: DoorRule, nowMs: number): boolean {
  return untilMs === null || untilMs > nowMs
}

function bitsOf(subject: string): number {
  const [, bits] = subject.split('/')
  return bits === undefined ? 129 : Number(bits)
}
