// What the mesh asks before it talks to anyone: filled from the membership, the nodes' records and nothing else.
import { decodeCbor, encodeCbor, SkeinError } from '@skein/runtime'
import type { Clock, Logger, NodeId } from '@skein/runtime'
import { createAddressMatcher } from './cidr.ts'
import type { AddressMatcher } from './cidr.ts'
import { fromHex, hex } from './identity.ts'
import { joinProofHolds, readJoinRequest, splitJoinRequest } from './membership/invite.ts'
import type { MembershipLog } from './membership/membership-log.ts'
import type { InviteRecord, MembershipState } from './membership/reducer.ts'
import type { MeshGate } from './ports.ts'
import { bytesListOf, bytesOf, countOf, decodeMap, listOf, mapOf, textListOf, textOf } from './wire/fields.ts'

export interface GateComponents {
  self: NodeId
  clock: Clock
  logger: Logger
  membership: MembershipLog
  bootId: Uint8Array
  addressesOf(id: NodeId): string[]
  allowList(): readonly string[]
}

export interface JoinReply {
  entries: Uint8Array[]
  peers: { id: NodeId; addresses: string[] }[]
}

/** Versions of the protocol that this node speaks. */
const protocolMin = 1
const protocolMax = 1
/** Entries that a HELLO carries at the most, for a peer that has not heard yet that we were let in. */
const introducingEntriesMax = 16

export function readJoinReply(bytes: Uint8Array): JoinReply {
  const map = decodeMap(bytes)
  return {
    entries: bytesListOf(map['e'], 'entries'),
    peers: listOf(map['p'], 'peers').map((peer) => {
      const [id, addresses] = listOf(peer, 'peer', 8)
      return { id: textOf(id, 'peer id', 64), addresses: textListOf(addresses, 'addresses') }
    }),
  }
}

export class Gate implements MeshGate {
  readonly #components: GateComponents
  readonly #listeners = new Set<() => void>()
  #matcher: { list: string; matcher: AddressMatcher } | undefined

  constructor(components: GateComponents) {
    this.#components = components
  }

  get meshId(): string {
    return this.#components.membership.state?.meshId ?? ''
  }

  isMember(id: NodeId): boolean {
    return this.#components.membership.state?.members.has(id) ?? false
  }

  isEvicted(id: NodeId): boolean {
    return this.#components.membership.state?.former.has(id) ?? false
  }

  inviteOpen(): boolean {
    const { membership, clock } = this.#components
    for (const invite of membership.state?.invites.values() ?? []) {
      if (invite.usedBy.length < invite.uses && clock.nowMs() <= invite.expiresMs) return true
    }
    return false
  }

  allowsAddress(ip: string): boolean {
    const allow = this.#components.allowList()
    const list = allow.join(';')
    if (this.#matcher?.list !== list) this.#matcher = { list, matcher: createAddressMatcher(allow) }
    return this.#matcher.matcher.matches(ip)
  }

  peerAddresses(): { id: NodeId; addresses: string[] }[] {
    const { membership, self, addressesOf } = this.#components
    const others = [...(membership.state?.members.keys() ?? [])].filter((id) => id !== self)
    return others.map((id) => ({ id, addresses: addressesOf(id) }))
  }

  helloFor(_peer: NodeId): Uint8Array {
    const { membership, clock, bootId } = this.#components
    const state = membership.required
    return encodeCbor({
      v: [protocolMin, protocolMax],
      m: fromHex(state.meshId),
      h: membership.digest,
      b: bootId,
      t: clock.nowMs(),
      e: this.#introduction(state),
    })
  }

  /** The entry that let this node in, with those around it, while it is among the latest: a peer may not know it yet. */
  #introduction(state: MembershipState): Uint8Array[] {
    const own = state.graph.indexOf.get(state.members.get(this.#components.self)?.admission ?? '')
    const { entries } = state.graph
    if (own === undefined || own < entries.length - introducingEntriesMax) return []
    return entries.slice(-introducingEntriesMax).map(({ bytes }) => bytes)
  }

  async acceptHello(peer: NodeId, hello: Uint8Array): Promise<void> {
    const { membership, logger } = this.#components
    const map = mapOf(decodeCbor(hello), 'hello')
    const [min, max] = listOf(map['v'], 'versions', 8)
    if (hex(bytesOf(map['m'], 'mesh id', 32)) !== this.meshId) {
      throw new SkeinError('wrong-mesh', 'refused', 'the node belongs to another mesh')
    }
    if (countOf(max, 'version') < protocolMin || countOf(min, 'version') > protocolMax) {
      throw new SkeinError('version-too-old', 'refused', 'the nodes share no version of the protocol')
    }
    if (!this.isMember(peer) && !this.isEvicted(peer) && map['e'] !== undefined) {
      try {
        await membership.accept(bytesListOf(map['e'], 'entries', undefined, introducingEntriesMax))
      } catch (error) {
        logger.debug({ peer, error }, 'a stranger’s introduction does not hold')
      }
    }
    if (!this.isMember(peer)) throw new SkeinError('not-a-member', 'refused', 'the node is not a member of this mesh')
  }

  async acceptJoin(stranger: NodeId, remoteIp: string, request: Uint8Array): Promise<Uint8Array> {
    const { membership, logger } = this.#components
    if (!this.allowsAddress(remoteIp)) {
      throw new SkeinError('address-not-allowed', 'refused', 'this node lets nobody in from that address')
    }
    const { request: said, proof } = splitJoinRequest(request)
    const asked = readJoinRequest(said)
    if (asked.meshId !== this.meshId) throw new SkeinError('wrong-mesh', 'refused', 'the invite is for another mesh')
    await membership.append((state) => {
      const invite = this.#inviteFor(state, stranger, asked.inviteKey, said, proof)
      if (state.members.has(stranger)) return undefined
      return { kind: 'admit', node: stranger, invite: invite.hash, request: said, proof, profile: asked.profile }
    })
    if (!this.isMember(stranger)) {
      throw new SkeinError('invite-used', 'refused', 'the invite has been used up')
    }
    logger.info({ node: stranger, name: asked.profile.name, remoteIp }, 'a new node joined')
    const peers = [this.#components.self, ...membership.required.members.keys()]
    return encodeCbor({
      e: membership.required.graph.entries.map(({ bytes }) => bytes),
      p: [...new Set(peers)].slice(0, 16).map((id) => [id, this.#components.addressesOf(id)]),
    })
  }

  #inviteFor(
    state: MembershipState,
    stranger: NodeId,
    inviteKey: Uint8Array,
    request: Uint8Array,
    proof: Uint8Array,
  ): InviteRecord {
    const invite = [...state.invites.values()].find(({ publicKey }) => Buffer.compare(publicKey, inviteKey) === 0)
    if (!invite) throw new SkeinError('invite-unknown', 'refused', 'this mesh knows no such invite')
    if (
      !joinProofHolds(request, proof, { meshId: state.meshId, node: stranger, inviteKey }) ||
      state.former.has(stranger)
    ) {
      throw new SkeinError('bad-proof', 'refused', 'the proof of the invite does not hold')
    }
    // Whoever did not get the answer the first time may ask for it again.
    if (invite.usedBy.includes(stranger)) return invite
    if (this.#components.clock.nowMs() > invite.expiresMs) {
      throw new SkeinError('invite-expired', 'refused', 'the invite has expired')
    }
    if (invite.usedBy.length >= invite.uses)
      throw new SkeinError('invite-used', 'refused', 'the invite has been used up')
    return invite
  }

  onGateChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Members, evictions, addresses or the allow-list changed. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
