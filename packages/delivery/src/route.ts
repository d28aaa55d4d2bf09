// Which way an address leads, read from the map alone: a function of the directory, without side effects.
import { canonicalAddress, splitAddress, stripSubaddress, type SrsAddress } from '@skein/mail'
import type { AccountId, Directory, DirectoryEntry } from '@skein/accounts'
import { deliveryLimits } from './limits.ts'
import type { Destination } from './ports.ts'

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
  /** `address`: what stands for them, without a +tag. */
  | { kind: 'alias'; address: string; targets: readonly string[] }
  /** The address to which bounces of a forwarded letter come: they go back to `sender`. */
  | { kind: 'returning'; sender: string }
  | { kind: 'outside'; domain: string }
  | Refusal

export interface RouteSettings {
  /** Addresses of the mesh's administrators, best first: who gets postmaster's mail where nobody has that name. */
  administrators?: () => readonly string[]
  /** Reads a rewritten sender address of ours (SRS). Absent: there are none. */
  undoSrs?: (address: string) => SrsAddress | undefined
}

export interface ExpansionSettings extends RouteSettings {
  /** False: users' forwards are not followed. */
  forwards?: boolean
  /** Addresses through which the letter left this mesh before: it does not leave through them again. */
  passed?: ReadonlySet<string>
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
const forwardLoop: Refusal = {
  kind: 'refused',
  code: 550,
  status: '5.4.6',
  text: 'this letter was sent on from here before and came back',
}
const forgedReturn: Refusal = {
  kind: 'refused',
  code: 550,
  status: '5.7.1',
  text: 'that return address was not made here',
}
const expiredReturn: Refusal = { kind: 'refused', code: 550, status: '5.1.1', text: 'that return address is too old' }
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
  const { local } = splitAddress(text)
  // It holds a foreign local part.
  return directory.domain(domain) && !looksRewritten(text) ? canonical : `${local}@${domain}`
}

/** A sender rewritten here or elsewhere (SRS), by its looks. */
export function looksRewritten(address: string): boolean {
  return /^"?srs[01]=/i.test(address)
}

/** RFC 2142 §4, §7; RFC 5321 §4.5.1: who runs the mesh gets this mail where nobody has the name. */
const roleNames: ReadonlySet<string> = new Set(['postmaster', 'abuse', 'hostmaster'])

/**
 * What `address` (as `queueAddress` gives it) means: exact name, alias, `user+tag`, a return address, the same name in the
 * domain that this one stands for, a role, the domain's catch-all, or nobody.
 */
export function meaningOf(directory: Directory, address: string, settings: RouteSettings = {}): Meaning {
  const { local, domain } = splitAddress(address)
  const record = directory.domain(domain)
  if (!record) return { kind: 'outside', domain }
  const exact = named(directory, address)
  if (exact) return exact
  const { base, tag } = stripSubaddress(local)
  if (tag !== null) {
    const untagged = named(directory, `${base}@${domain}`)
    if (untagged) return untagged.kind === 'alias' ? withDetail(directory, untagged, tag) : untagged
  }
  const returned = settings.undoSrs?.(address)
  if (returned?.kind === 'sender') return { kind: 'returning', sender: returned.address }
  if (returned) return returned.kind === 'forged' ? forgedReturn : expiredReturn
  if (record.aliasOf !== undefined && directory.domain(record.aliasOf)) {
    return { kind: 'alias', address, targets: [`${local}@${record.aliasOf}`] }
  }
  const inCharge = roleNames.has(base) ? role(directory, base, domain, settings) : undefined
  if (inCharge) return inCharge
  if (record.catchAll !== undefined) return { kind: 'alias', address, targets: [record.catchAll] }
  return unknownUser
}

/** RFC 5233: `alias+tag` is `user+tag` where the alias is that user's. */
function withDetail(
  directory: Directory,
  alias: Extract<Meaning, { kind: 'alias' }>,
  tag: string,
): Extract<Meaning, { kind: 'alias' }> {
  const [only] = alias.targets
  if (only === undefined || alias.targets.length > 1) return alias
  const { local, domain } = splitAddress(only)
  if (!directory.domain(domain) || local.startsWith('"') || stripSubaddress(local).tag !== null) return alias
  const detailed = canonicalAddress(`${local}+${tag}@${domain}`)
  return detailed === undefined ? alias : { ...alias, targets: [detailed] }
}

function named(directory: Directory, address: string): Meaning | undefined {
  const entry = directory.lookup(address)
  if (entry) return entry.state === 'suspended' ? suspended : { kind: 'account', entry }
  const targets = directory.alias(address)
  return targets && { kind: 'alias', address, targets }
}

// RFC 5321 §4.5.1: every domain that takes mail has a postmaster.
function role(directory: Directory, name: string, domain: string, settings: RouteSettings): Meaning | undefined {
  const administrators = settings.administrators?.() ?? []
  const inDomain = administrators.filter((address) => splitAddress(address).domain === domain)
  for (const address of [...inDomain, ...administrators]) {
    const meaning = named(directory, address)
    if (meaning && meaning.kind !== 'refused') return meaning
  }
  for (const { name: other } of directory.domains()) {
    const meaning = other === domain ? undefined : named(directory, `${name}@${other}`)
    if (meaning && meaning.kind !== 'refused') return meaning
  }
  return undefined
}

/** One address after aliases: where its mail really goes. */
export interface Expansion {
  /** Each once, in the order found. */
  targets: string[]
  /** Those of them that lie outside, with the address of ours from which they were sent on. */
  forwarded: Map<string, string>
  /** A user's forward, or an address outside, stands on the way. */
  leavesMailbox: boolean
  /** What was passed over on the way, and why. */
  refusals: { address: string; refusal: Refusal }[]
}

/**
 * Follows aliases and forwards to their ends. Dead ends are passed over where there is any live one: a stranger gets no bounce
 * for them. A forward that comes back to the user whom it started from, inside the mesh or around it, ends in his mailbox.
 */
export function expandAddress(directory: Directory, text: string, settings: ExpansionSettings = {}): Expansion {
  const start = queueAddress(directory, text)
  const expansion: Expansion = { targets: [], forwarded: new Map(), leavesMailbox: false, refusals: [] }
  if (start === undefined) {
    expansion.refusals.push({ address: text, refusal: malformed })
    return expansion
  }
  const walk = new AddressWalk(directory, settings, expansion)
  walk.follow(start, 0, undefined)
  expansion.targets.push(...walk.found)
  return expansion
}

class AddressWalk {
  readonly found = new Set<string>()
  readonly #directory: Directory
  readonly #settings: ExpansionSettings
  readonly #expansion: Expansion
  /** Aliases, and accounts by their ids, that are being followed. */
  readonly #open = new Set<string>()
  /** What was looked at already: does it lead anywhere. */
  readonly #done = new Map<string, boolean>()

  constructor(directory: Directory, settings: ExpansionSettings, expansion: Expansion) {
    this.#directory = directory
    this.#settings = settings
    this.#expansion = expansion
  }

  /** @param via the address of ours that named this one. @returns whether it leads anywhere */
  follow(address: string, depth: number, via: string | undefined): boolean {
    const known = this.#done.get(address)
    if (known !== undefined) return known
    if (depth > deliveryLimits.aliasDepthMax) return this.#refuse(address, aliasLoop)
    const meaning = meaningOf(this.#directory, address, this.#settings)
    // An account that comes up again on its own way is an end: its mailbox.
    if (meaning.kind !== 'account' && this.#open.has(address)) return this.#refuse(address, aliasLoop)
    const leads = this.#followMeaning(address, meaning, depth, via)
    this.#done.set(address, leads)
    return leads
  }

  #followMeaning(address: string, meaning: Meaning, depth: number, via: string | undefined): boolean {
    if (meaning.kind === 'refused') return this.#refuse(address, meaning)
    if (meaning.kind === 'account') return this.#followAccount(address, meaning.entry, depth)
    if (meaning.kind === 'outside') return this.#leave(address, via)
    // What comes back goes to whoever sent the letter, and is not sent on under a name of ours.
    if (meaning.kind === 'returning') return this.#followAll(address, undefined, [meaning.sender], depth)
    return this.#followAll(address, meaning.address, meaning.targets, depth)
  }

  #followAccount(address: string, { accountId, forward, address: own }: DirectoryEntry, depth: number): boolean {
    if (!forward || this.#settings.forwards === false || this.#open.has(accountId)) return this.#end(address)
    this.#expansion.leavesMailbox = true
    if (this.#settings.passed?.has(own)) return this.#end(address)
    this.#open.add(accountId)
    if (forward.keep) this.#end(address)
    const leads = this.#followAll(address, own, forward.to, depth)
    this.#open.delete(accountId)
    // Nobody there takes it: better in the mailbox than nowhere.
    return leads || this.#end(address)
  }

  #followAll(address: string, via: string | undefined, targets: readonly string[], depth: number): boolean {
    let leads = false
    this.#open.add(address)
    for (const target of targets) {
      const next = queueAddress(this.#directory, target)
      if (next === undefined) this.#refuse(target, malformed)
      else if (this.follow(next, depth + 1, via)) leads = true
    }
    this.#open.delete(address)
    return leads
  }

  #leave(address: string, via: string | undefined): boolean {
    this.#expansion.leavesMailbox = true
    if (via === undefined) return this.#end(address)
    if (this.#settings.passed?.has(via)) return this.#refuse(address, forwardLoop)
    if (!this.#end(address)) return false
    this.#expansion.forwarded.set(address, via)
    return true
  }

  #end(address: string): boolean {
    if (this.found.size >= deliveryLimits.aliasExpandedRecipientsMax) return this.#refuse(address, tooMany)
    this.found.add(address)
    return true
  }

  #refuse(address: string, refusal: Refusal): false {
    this.#expansion.refusals.push({ address, refusal })
    return false
  }
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
  if (meaning.kind === 'alias' || meaning.kind === 'returning') {
    const { targets, refusals } = expandAddress(directory, address, { ...settings, forwards: false })
    if (targets.length > 1) return becameList
    const only = targets[0]
    if (only === undefined) return refusals[0]?.refusal ?? unknownUser
    meaning = meaningOf(directory, only, settings)
  }
  if (meaning.kind === 'refused') return meaning
  if (meaning.kind === 'outside') return { kind: 'outside', domain: meaning.domain }
  if (meaning.kind !== 'account') return aliasLoop
  return routeEntry(directory, meaning.entry)
}

/** Letters for one key share back-off and concurrency. All local mailboxes are one destination. */
export function destinationKey(destination: Destination): string {
  if (destination.kind === 'local') return 'local'
  return destination.kind === 'peer' ? `peer ${destination.node}` : `outside ${destination.domain}`
}
