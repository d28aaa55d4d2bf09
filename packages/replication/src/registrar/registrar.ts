// This node as a registrar: one of the three that promise a name. A promise is durable before it is given, and kept until the name
// stands confirmed in the map, or the claimant gives it back, or the claimant is no member any more.
import { decodeCbor, encodeCbor, SerialByKey } from '@skein/runtime'
import type { Clock, NodeId } from '@skein/runtime'
import { answerClaim, registrarKey } from '../claims/registrars.ts'
import type { RegistrarAnswer } from '../claims/registrars.ts'
import { claimDigest } from '../claims/resolution.ts'
import { fromHex, hex } from '../identity.ts'
import type { LedgerOp, LedgerStore, Signer } from '../ports.ts'
import { bytesOf, countOf, listOf, textOf } from '../wire/fields.ts'
import type { ClaimedName, GroupAnswer, NamedAccount } from './messages.ts'
import { digestBytes, promiseBytes } from './promise.ts'

/** What the registrar must see of the rest of the ledger. */
export interface NameView {
  meshId(): string
  isAlias(address: string): boolean
  /** Who has the name by the map now, and whether that is confirmed. */
  holder(address: string): { accountId: string; confirmed: boolean } | undefined
  registrarsOf(address: string): NodeId[]
  /** This node has compared its map since it started. */
  informed(): boolean
  isMember(id: NodeId): boolean
}

interface HeldPromise {
  accountId: string
  claimTime: number
  owner: NodeId
  /** When this node gave it, or started with it. */
  sinceMs: number
}

export class Registrar {
  readonly #store: LedgerStore
  readonly #signer: Signer
  readonly #view: NameView
  readonly #promises = new Map<string, HeldPromise>()
  readonly #lane = new SerialByKey<'promises'>()
  readonly #clock: Clock
  readonly #signedSinglyMax: number

  constructor(
    components: { store: LedgerStore; signer: Signer; clock: Clock; view: NameView },
    signedSinglyMax: number,
  ) {
    this.#store = components.store
    this.#signer = components.signer
    this.#view = components.view
    this.#clock = components.clock
    this.#signedSinglyMax = signedSinglyMax
  }

  async load(): Promise<void> {
    for await (const { address, bytes } of this.#store.promises()) {
      const [accountId, claimTime, owner] = listOf(decodeCbor(bytes), 'promise', 16)
      this.#promises.set(address, {
        accountId: hex(bytesOf(accountId, 'account id', 16)),
        claimTime: countOf(claimTime, 'claim time'),
        owner: textOf(owner, 'owner'),
        sinceMs: this.#clock.monotonicMs(),
      })
    }
  }

  /** Promises what it can, durably, and signs for it. */
  claim(from: NodeId, groups: readonly ClaimedName[][]): Promise<GroupAnswer[]> {
    return this.#lane.run('promises', async () => {
      const ops: LedgerOp[] = []
      const given = new Map<string, HeldPromise>()
      const judged = groups.map((group) => group.map((claim) => this.#judge(from, claim, given, ops)))
      if (ops.length > 0) await this.#store.commit(ops)
      for (const [address, promise] of given) this.#promises.set(address, promise)
      return judged.map((answers, i) => ({ answers, proof: this.#sign(from, groups[i] ?? [], answers) }))
    })
  }

  #judge(from: NodeId, claim: ClaimedName, given: Map<string, HeldPromise>, ops: LedgerOp[]): RegistrarAnswer {
    const { address, accountId, claimTime } = claim
    const registrars = this.#view.registrarsOf(address)
    const agrees =
      registrars.includes(this.#signer.nodeId) && registrarKey(registrars).join() === claim.registrars.join()
    const answer = answerClaim(claim, {
      informed: this.#view.informed(),
      agreesOnRegistrars: agrees,
      isAlias: this.#view.isAlias(address),
      holder: this.#view.holder(address)?.accountId,
      promised: given.get(address) ?? this.#promises.get(address),
    })
    if (answer.kind === 'granted' && !this.#promises.has(address)) {
      given.set(address, { accountId, claimTime, owner: from, sinceMs: this.#clock.monotonicMs() })
      ops.push({ op: 'promise', address, bytes: encodeCbor([fromHex(accountId), claimTime, from]) })
    }
    return answer
  }

  #sign(from: NodeId, group: readonly ClaimedName[], answers: readonly RegistrarAnswer[]): GroupAnswer['proof'] {
    const meshId = this.#view.meshId()
    const sign = (digests: Uint8Array) => this.#signer.sign(promiseBytes(meshId, digests))
    const digests = group.map((claim, i) =>
      answers[i]?.kind === 'granted' ? claimDigest(claim.address, from, claim) : undefined,
    )
    // The claimant's own word needs no signature of its own: the batch that carries the claim is signed.
    if (from === this.#signer.nodeId) return { kind: 'single', signatures: digests.map(() => null) }
    const granted = digests.filter((digest) => digest !== undefined)
    if (granted.length <= this.#signedSinglyMax) {
      return { kind: 'single', signatures: digests.map((digest) => (digest ? sign(digest) : null)) }
    }
    const list = new Uint8Array(granted.length * digestBytes)
    for (const [i, digest] of granted.entries()) list.set(digest, i * digestBytes)
    return { kind: 'list', digests: list, signature: sign(list) }
  }

  /** The claimant gives names back. Nobody else can. */
  release(from: NodeId, names: readonly NamedAccount[]): Promise<void> {
    return this.#drop(
      ({ address, accountId }, promise) => promise.accountId === accountId && promise.owner === from && address !== '',
      names,
    )
  }

  /** These names changed in the map: what stands there confirmed needs no promise any more. */
  async noticed(addresses: Iterable<string>): Promise<void> {
    if (this.#promises.size === 0) return
    const settled: NamedAccount[] = []
    for (const address of addresses) {
      const promise = this.#promises.get(address)
      const holder = promise && this.#view.holder(address)
      if (holder?.confirmed && holder.accountId === promise?.accountId)
        settled.push({ address, accountId: holder.accountId })
    }
    if (settled.length > 0) await this.#drop((name, promise) => promise.accountId === name.accountId, settled)
  }

  /**
   * Promises that are this old without the name standing confirmed, by claimant. A claim that was long on its way may have come
   * after it was given back: its claimant must be asked.
   */
  unsettled(ageMs: number): Map<NodeId, NamedAccount[]> {
    const before = this.#clock.monotonicMs() - ageMs
    const byOwner = new Map<NodeId, NamedAccount[]>()
    for (const [address, { accountId, owner, sinceMs }] of this.#promises) {
      if (sinceMs > before) continue
      const list = byOwner.get(owner)
      if (list) list.push({ address, accountId })
      else byOwner.set(owner, [{ address, accountId }])
    }
    return byOwner
  }

  /** After members left: their promises bind nobody. */
  async forgetFormer(): Promise<void> {
    const names = [...this.#promises].map(([address, { accountId }]) => ({ address, accountId }))
    if (names.length > 0) await this.#drop((_name, promise) => !this.#view.isMember(promise.owner), names)
  }

  #drop(may: (name: NamedAccount, promise: HeldPromise) => boolean, names: readonly NamedAccount[]): Promise<void> {
    return this.#lane.run('promises', async () => {
      const gone = names.filter((name) => {
        const promise = this.#promises.get(name.address)
        return promise !== undefined && may(name, promise)
      })
      if (gone.length === 0) return
      await this.#store.commit(gone.map(({ address }) => ({ op: 'promise', address, bytes: null })))
      for (const { address } of gone) this.#promises.delete(address)
    })
  }

  idle(): Promise<void> {
    return this.#lane.idle()
  }
}
