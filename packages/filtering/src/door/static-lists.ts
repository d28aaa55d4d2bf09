// Who is always let in and who never, by the operators' word: addresses, networks, sender domains and senders.
import { canonicalAddress, canonicalDomain, splitAddress } from '@skein/mail'
import { isAddressOrBlock, plainAddress } from '@skein/runtime'
import { bitsOf } from './client-network.ts'

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
  if (isAddressOrBlock(plain)) return plain
  return plain.includes('@') ? canonicalAddress(plain) : plain.includes('/') ? undefined : canonicalDomain(plain)
}

export class StaticLists {
  readonly #senders = new Map<string, DoorRule>()
  /** By the bits of the network, the longest first: an address is looked up once for each length that there is. */
  readonly #networks: [bits: number, rules: Map<string, DoorRule>][]

  /** What can't be read is passed over: a later version may know more. */
  constructor(rules: Iterable<DoorRule>) {
    const networks = new Map<number, Map<string, DoorRule>>()
    for (const rule of rules) {
      if (!isAddressOrBlock(rule.subject)) {
        this.#senders.set(rule.subject, rule)
        continue
      }
      const [address = '', length] = rule.subject.split('/')
      const whole = bitsOf(address)
      const bits = length === undefined ? whole.length : Number(length)
      const known = networks.get(bits) ?? new Map<string, DoorRule>()
      networks.set(bits, known.set(familyOf(whole) + whole.slice(0, bits), rule))
    }
    this.#networks = [...networks].toSorted(([a], [b]) => b - a)
  }

  /** The more exact rule counts: a network is blocked, one address of it is allowed. */
  ofAddress(address: string, nowMs: number): DoorRule | undefined {
    if (this.#networks.length === 0) return undefined
    const whole = bitsOf(address)
    for (const [bits, rules] of this.#networks) {
      const rule = bits > whole.length ? undefined : rules.get(familyOf(whole) + whole.slice(0, bits))
      if (rule && stands(rule, nowMs)) return rule
    }
    return undefined
  }

  /** Its own, that of its domain, or that of a domain above. */
  ofSender(sender: string, nowMs: number): DoorRule | undefined {
    if (this.#senders.size === 0) return undefined
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

/** An IPv4 network of 24 bits and an IPv6 network of 24 bits are two. */
function familyOf(whole: string): string {
  return whole.length === 32 ? '4 ' : '6 '
}
