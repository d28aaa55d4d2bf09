// Which way an address leads, read from the map alone: a function of the directory, without side effects.
import { canonicalAddress, splitAddress, stripSubaddress } from '@skein/mail'
import type { AccountId, Directory, DirectoryEntry } from '@skein/accounts'
import { deliveryLimits, type Destination } from './ports.ts'

/** Why an address gets no mail: RFC 5321 reply code, RFC 3463 status, and a text for the other side. */
export interface Refusal {
  kind: 'refused'
  code: number
  status: string
  text: string
}

/** What one address is in the map, before anything is followed. */
export type Meaning =
  | { kind: 'account'; entry: DirectoryEntry }
  | { kind: 'alias'; targets: readonly string[] }
  | { kind: 'outside'; domain: string }
  | Refusal

export interface RouteSettings {
  /** Addresses of the mesh's administrators, best first: who gets postmaster's mail where nobody has that name. */
  administrators?: () => readonly string[]
}

const unknownUser: Refusal = { kind: 'refused', code: 550, status: '5.1.1', text: 'no such user here' }
const suspended: Refusal = { kind: 'refused', code: 550, status: '5.2.1', text: 'this mailbox is disabled' }
const malformed: Refusal = { kind: 'refused', code: 501, status: '5.1.3', text: 'that is not an address' }
const aliasLoop: Refusal = {
  kind: 'refused',
  code: 550,
  status: '5.4.6',
  text: 'the aliases of this address go in a circle',
}
const tooMany: Refusal = {
  kind: 'refused',
  code: 550,
  status: '5.5.3',
  text: 'the aliases of this address name too many',
}
const becameList: Refusal = {
  kind: 'refused',
  code: 550,
  status: '5.1.6',
  text: 'the address became a list while the letter waited; send it again',
}

/**
 * The form in which the queue keeps a recipient. Outside our own domains the local part belongs to somebody else and
 * keeps its case (RFC 5321 §2.4). Undefined where it is no address.
 */
export function queueAddress(directory: Directory, text: string): string | undefined {
  // RFC 5321 §4.5.1: <Postmaster> without a domain.
  if (/^postmaster$/i.test(text)) {
    const own = directory.domains()[0]
    return own && `postmaster@${own.name}`
  }
  const canonical = canonicalAddress(text)
  if (canonical === undefined) return undefined
  const { domain } = splitAddress(canonical)
  return directory.domain(domain) ? canonical : `${splitAddress(text).local}@${domain}`
}

/** What `address` (as `queueAddress` gives it) means: exact name, alias, `user+tag`, postmaster, or nobody. */
export function meaningOf(directory: Directory, address: string, settings: RouteSettings = {}): Meaning {
  const { local, domain } = splitAddress(address)
  if (!directory.domain(domain)) return { kind: 'outside', domain }
  const exact = named(directory, address)
  if (exact) return exact
  const { base, tag } = stripSubaddress(local)
  if (tag !== null) {
    const untagged = named(directory, `${base}@${domain}`)
    if (untagged) return untagged
  }
  if (base === 'postmaster') return postmaster(directory, domain, settings)
  return unknownUser
}

function named(directory: Directory, address: string): Meaning | undefined {
  const entry = directory.lookup(address)
  if (entry) return entry.state === 'suspended' ? suspended : { kind: 'account', entry }
  const targets = directory.alias(address)
  return targets && { kind: 'alias', targets }
}

// RFC 5321 §4.5.1: every domain that takes mail has a postmaster.
function postmaster(directory: Directory, domain: string, settings: RouteSettings): Meaning {
  const administrators = settings.administrators?.() ?? []
  const inDomain = administrators.filter((address) => splitAddress(address).domain === domain)
  for (const address of [...inDomain, ...administrators]) {
    const meaning = named(directory, address)
    if (meaning && meaning.kind !== 'refused') return meaning
  }
  for (const { name } of directory.domains()) {
    const meaning = name === domain ? undefined : named(directory, `postmaster@${name}`)
    if (meaning && meaning.kind !== 'refused') return meaning
  }
  return unknownUser
}

/** One address after aliases: where its mail really goes. */
export interface Expansion {
  /** Each once, in the order found. */
  targets: string[]
  /** What was passed over on the way, and why. */
  refusals: { address: string; refusal: Refusal }[]
}

/** Follows aliases to their ends. Dead ends are passed over where there is any live one: a stranger gets no bounce for them. */
export function expandAddress(directory: Directory, text: string, settings: RouteSettings = {}): Expansion {
  const start = queueAddress(directory, text)
  const expansion: Expansion = { targets: [], refusals: [] }
  if (start === undefined) {
    expansion.refusals.push({ address: text, refusal: malformed })
    return expansion
  }
  const found = new Set<string>()
  const open = new Set<string>()
  const done = new Set<string>()
  const refuse = (address: string, refusal: Refusal) => void expansion.refusals.push({ address, refusal })

  const follow = (address: string, depth: number): void => {
    if (done.has(address)) return
    if (open.has(address) || depth > deliveryLimits.aliasDepthMax) return refuse(address, aliasLoop)
    const meaning = meaningOf(directory, address, settings)
    if (meaning.kind === 'refused') refuse(address, meaning)
    else if (meaning.kind === 'alias') {
      open.add(address)
      for (const target of meaning.targets) {
        const next = queueAddress(directory, target)
        if (next === undefined) refuse(target, malformed)
        // An account that forwards to itself and to others is listed under its own name: that is an end, not a circle.
        else follow(next, depth + 1)
      }
      open.delete(address)
    } else if (found.size >= deliveryLimits.aliasExpandedRecipientsMax) refuse(address, tooMany)
    else found.add(address)
    done.add(address)
  }
  follow(start, 0)
  expansion.targets.push(...found)
  return expansion
}

/** The next step for a recipient of the queue. The map may have changed since the letter came in. */
export function routeRecipient(
  directory: Directory,
  recipient: { address: string; accountId?: AccountId },
  settings: RouteSettings = {},
): Destination | Refusal {
  const entry = recipient.accountId === undefined ? undefined : directory.byAccountId(recipient.accountId)
  return entry ? routeEntry(directory, entry) : routeAddress(directory, recipient.address, settings)
}

function routeEntry(directory: Directory, { accountId, home, state }: DirectoryEntry): Destination | Refusal {
  if (state === 'suspended') return suspended
  return home === directory.self ? { kind: 'local', accountId } : { kind: 'peer', node: home, accountId }
}

/** By the address alone, as it is known now. */
export function routeAddress(
  directory: Directory,
  address: string,
  settings: RouteSettings = {},
): Destination | Refusal {
  let meaning = meaningOf(directory, address, settings)
  if (meaning.kind === 'alias') {
    const { targets, refusals } = expandAddress(directory, address, settings)
    if (targets.length > 1) return becameList
    const only = targets[0]
    if (only === undefined) return refusals[0]?.refusal ?? unknownUser
    meaning = meaningOf(directory, only, settings)
  }
  if (meaning.kind === 'refused') return meaning
  if (meaning.kind === 'outside') return { kind: 'outside', domain: meaning.domain }
  if (meaning.kind === 'alias') return aliasLoop
  return routeEntry(directory, meaning.entry)
}

/** Letters for one key share back-off and concurrency. All local mailboxes are one destination. */
export function destinationKey(destination: Destination): string {
  if (destination.kind === 'local') return 'local'
  return destination.kind === 'peer' ? `peer ${destination.node}` : `outside ${destination.domain}`
}
