// Writes membership entries as nodes would, with whatever parents a test wants them to have.
import { createSeededRandom } from '@skein/testkit'
import { keyFromSeed, signerFromSeed } from '../src/identity.ts'
import type { MemberRole, NodeProfile } from '../src/ledger-api.ts'
import { recoveryAuthor, writeEntry } from '../src/membership/entry.ts'
import type { MembershipBody, MembershipEntry } from '../src/membership/entry.ts'
import { splitJoinRequest, writeJoinRequest } from '../src/membership/invite.ts'
import { reduceMembership } from '../src/membership/reducer.ts'
import type { Signer } from '../src/ports.ts'

export const profileOf = (name: string): NodeProfile => ({
  name,
  addresses: [],
  region: '',
  hostName: name,
  version: '0',
})

export class MembershipWriter {
  readonly entries: MembershipEntry[] = []
  readonly random
  readonly signers = new Map<string, Signer>()
  readonly seeds = new Map<string, Uint8Array>()
  readonly recoverySeed: Uint8Array
  meshId = ''

  constructor(seed: number | string = 1) {
    this.random = createSeededRandom(seed)
    this.recoverySeed = this.random.bytes(32)
  }

  signer(name: string): Signer {
    let signer = this.signers.get(name)
    if (!signer) {
      signer = signerFromSeed(this.random.bytes(32))
      this.signers.set(name, signer)
    }
    return signer
  }

  id(name: string): string {
    return this.signer(name).nodeId
  }

  /** @param parents default: all that nobody has followed yet */
  write(author: string, body: MembershipBody, parents = this.tips(), timeMs = 1_000): MembershipEntry {
    const recovery = author === recoveryAuthor
    const sign = recovery ? keyFromSeed(this.recoverySeed).sign : this.signer(author).sign
    const entry = writeEntry(
      {
        meshId: body.kind === 'genesis' ? undefined : this.meshId,
        author: recovery ? recoveryAuthor : this.id(author),
        parents: body.kind === 'genesis' ? [] : parents.map(({ hash }) => hash),
        timeMs,
        body,
      },
      sign,
    )
    this.entries.push(entry)
    return entry
  }

  tips(): MembershipEntry[] {
    const named = new Set(this.entries.flatMap(({ parents }) => parents))
    return this.entries.filter(({ hash }) => !named.has(hash))
  }

  genesis(founder: string): MembershipEntry {
    const recoveryKey = keyFromSeed(this.recoverySeed).publicKey
    const entry = this.write(founder, { kind: 'genesis', recoveryKey, profile: profileOf(founder) })
    this.meshId = entry.hash
    return entry
  }

  invite(
    author: string,
    options: { uses?: number; role?: MemberRole; expiresMs?: number; parents?: MembershipEntry[] } = {},
  ) {
    const seed = this.random.bytes(32)
    const { uses = 1, role = 'admin', expiresMs = 1_000_000, parents } = options
    const { publicKey } = keyFromSeed(seed)
    const entry = this.write(author, { kind: 'invite', publicKey, expiresMs, uses, role }, parents)
    this.seeds.set(entry.hash, seed)
    return entry
  }

  admit(
    author: string,
    newcomer: string,
    invite: MembershipEntry,
    options: { parents?: MembershipEntry[]; timeMs?: number; proofFor?: string; seed?: Uint8Array } = {},
  ): MembershipEntry {
    const { parents, timeMs, proofFor = newcomer } = options
    const seed = options.seed ?? this.seeds.get(invite.hash)
    if (!seed) throw new Error('not an invite')
    const terms = { meshId: this.meshId, peers: [], seed, expiresMs: 1_000_000 }
    const asked = writeJoinRequest(terms, this.id(proofFor), profileOf(newcomer), 1, this.random.bytes(16))
    const { request, proof } = splitJoinRequest(asked)
    const body = { kind: 'admit' as const, node: this.id(newcomer), invite: invite.hash, request, proof }
    return this.write(author, { ...body, profile: profileOf(newcomer) }, parents, timeMs)
  }

  join(author: string, newcomer: string, options: { role?: MemberRole } = {}): MembershipEntry {
    return this.admit(author, newcomer, this.invite(author, options))
  }

  evict(
    author: string,
    target: string,
    options: { parents?: MembershipEntry[]; proposal?: MembershipEntry; cutoffs?: Record<string, number> } = {},
  ): MembershipEntry {
    const { parents, proposal, cutoffs = {} } = options
    const body = { kind: 'evict' as const, node: this.id(target), cutoffs, reason: 'test', proposal: proposal?.hash }
    return this.write(author, body, parents)
  }

  state(entries: Iterable<MembershipEntry> = this.entries) {
    return reduceMembership(entries, this.meshId)
  }

  /** Names of the members, sorted. */
  members(entries?: Iterable<MembershipEntry>): string[] {
    const { members } = this.state(entries)
    return [...this.signers]
      .filter(([, { nodeId }]) => members.has(nodeId))
      .map(([name]) => name)
      .sort()
  }
}
