// A MeshGate for tests: members and addresses by hand, a HELLO that names the mesh, an invite that is a word.
import type { MeshGate } from '@skein/replication'
import { SkeinError, decodeCbor, encodeCbor } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'

export class OpenGate implements MeshGate {
  readonly meshId: string
  readonly self: NodeId
  readonly members = new Map<NodeId, string[]>()
  readonly evicted = new Set<NodeId>()
  invite: string | undefined
  allows: (ip: string) => boolean = () => true
  joined: { stranger: NodeId; ip: string }[] = []
  joinDelay: Promise<void> = Promise.resolve()
  readonly #listeners = new Set<() => void>()

  constructor(self: NodeId, meshId = 'mesh-1') {
    this.self = self
    this.meshId = meshId
  }

  add(id: NodeId, addresses: string[]): void {
    this.members.set(id, addresses)
    this.changed()
  }

  evict(id: NodeId): void {
    this.members.delete(id)
    this.evicted.add(id)
    this.changed()
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  isMember(id: NodeId): boolean {
    return id === this.self || this.members.has(id)
  }

  isEvicted(id: NodeId): boolean {
    return this.evicted.has(id)
  }

  inviteOpen(): boolean {
    return this.invite !== undefined
  }

  allowsAddress(ip: string): boolean {
    return this.allows(ip)
  }

  peerAddresses(): { id: NodeId; addresses: string[] }[] {
    return [...this.members].map(([id, addresses]) => ({ id, addresses })).filter(({ id }) => id !== this.self)
  }

  helloFor(): Uint8Array {
    return encodeCbor({ meshId: this.meshId })
  }

  async acceptHello(_peer: NodeId, hello: Uint8Array): Promise<void> {
    const value = decodeCbor(hello) as { meshId?: string }
    if (value.meshId !== this.meshId) throw new SkeinError('wrong-mesh', 'refused', 'another mesh')
  }

  async acceptJoin(stranger: NodeId, remoteIp: string, request: Uint8Array): Promise<Uint8Array> {
    await this.joinDelay
    if (Buffer.from(request).toString() !== this.invite)
      throw new SkeinError('bad-proof', 'refused', 'the proof is wrong')
    this.joined.push({ stranger, ip: remoteIp })
    this.add(stranger, [])
    return encodeCbor({ welcome: this.meshId })
  }

  onGateChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
