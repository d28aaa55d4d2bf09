// This node as a claimant: asks the registrars of a name, many names at once, and makes of their answers what the rules say.
import { sleep } from '@skein/runtime'
import type { Clock, Logger, NodeId, Random } from '@skein/runtime'
import { registrarKey, standingOf } from '../claims/registrars.ts'
import type { ClaimStanding, RegistrarAnswer } from '../claims/registrars.ts'
import { claimDigest, majorityOf } from '../claims/resolution.ts'
import { shortIdOf } from '../identity.ts'
import type { LedgerSettings } from '../limits.ts'
import { shardOf } from '../map/address-hash.ts'
import { decodeClaimAnswers, encodeOwnRequest } from './messages.ts'
import type { ClaimedName, GroupAnswer, GroupProof } from './messages.ts'
import { promiseHolds } from './promise.ts'
import type { Registrar } from './registrar.ts'

export interface WantedName {
  address: string
  accountId: string
  claimTime: number
}

/** A promise as it will stand in the entry: on its own, or as part of a list. */
export interface Grant {
  /** Short id. */
  registrar: string
  proof: { kind: 'single'; signature: Uint8Array } | { kind: 'list'; digests: Uint8Array; signature: Uint8Array }
}

export interface ClaimOutcome {
  standing: 'confirmed' | 'provisional' | 'taken'
  /** All asked. */
  registrars: NodeId[]
  /** Of other nodes, no more than a majority needs. */
  grants: Grant[]
}

export interface ClaimantComponents {
  self: NodeId
  clock: Clock
  random: Random
  logger: Logger
  registrar: Registrar
  registrarsOf(address: string): NodeId[]
  meshId(): string
  /** Asks on the `own` service. Rejects when that node can't be reached. */
  ask(to: NodeId, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array>
}

interface Attempt {
  name: WantedName
  registrars: NodeId[]
  key: string[]
  answers: Map<NodeId, RegistrarAnswer>
  grants: Map<NodeId, Grant>
}

const contestPauseMs = 40

export class Claimant {
  readonly #components: ClaimantComponents
  readonly #settings: LedgerSettings

  constructor(components: ClaimantComponents, settings: LedgerSettings) {
    this.#components = components
    this.#settings = settings
  }

  /** One outcome for each name, in order. Waits no longer than `waitMs`, and only as long as an answer may still change something. */
  async claim(names: readonly WantedName[], waitMs: number): Promise<ClaimOutcome[]> {
    const { clock, random, registrarsOf } = this.#components
    const deadline = clock.monotonicMs() + waitMs
    const attempts = names.map((name): Attempt => {
      const registrars = registrarsOf(name.address)
      return { name, registrars, key: registrarKey(registrars), answers: new Map(), grants: new Map() }
    })
    for (;;) {
      const left = deadline - clock.monotonicMs()
      const open = attempts.filter((attempt) => undecided(attempt))
      if (open.length === 0 || left <= 0) break
      await this.#askAll(open, left)
      if (!open.some((attempt) => standing(attempt) === 'contested')) break
      const pause = contestPauseMs * (1 + random.next())
      if (clock.monotonicMs() + pause >= deadline) break
      await sleep(clock, pause)
    }
    return attempts.map(outcomeOf)
  }

  /** Resolves when every registrar has answered or failed, when nothing is open any more, or when time is up. */
  #askAll(open: readonly Attempt[], leftMs: number): Promise<void> {
    const { clock, self } = this.#components
    const byRegistrar = new Map<NodeId, Attempt[]>()
    for (const attempt of open) {
      for (const registrar of attempt.registrars) {
        if (attempt.answers.get(registrar)?.kind === 'granted') continue
        const list = byRegistrar.get(registrar)
        if (list) list.push(attempt)
        else byRegistrar.set(registrar, [attempt])
      }
    }
    return new Promise((resolve) => {
      const timer = clock.setTimer(leftMs, () => resolve())
      const done = () => {
        timer.cancel()
        resolve()
      }
      const asked = [...byRegistrar].map(async ([registrar, attempts]) => {
        for (let i = 0; i < attempts.length; i += this.#settings.claimsPerRequest) {
          const part = attempts.slice(i, i + this.#settings.claimsPerRequest)
          try {
            if (registrar === self) await this.#askSelf(part)
            else await this.#ask(registrar, part, leftMs)
          } catch (error) {
            this.#components.logger.debug({ registrar, error }, 'registrar not reached')
            return
          }
          if (!open.some(undecided)) done()
        }
      })
      void Promise.all(asked).then(done)
    })
  }

  async #askSelf(attempts: readonly Attempt[]): Promise<void> {
    const { registrar, self } = this.#components
    const groups = groupByShard(attempts)
    const answers = await registrar.claim(
      self,
      groups.map((group) => group.map(claimedName)),
    )
    this.#take(self, groups, answers)
  }

  async #ask(to: NodeId, attempts: readonly Attempt[], timeoutMs: number): Promise<void> {
    const groups = groupByShard(attempts)
    const request = encodeOwnRequest({ kind: 'claim', groups: groups.map((group) => group.map(claimedName)) })
    this.#take(to, groups, decodeClaimAnswers(await this.#components.ask(to, request, timeoutMs)))
  }

  #take(from: NodeId, groups: readonly Attempt[][], answered: readonly GroupAnswer[]): void {
    const { self, logger } = this.#components
    for (const [g, group] of groups.entries()) {
      const part = answered[g]
      if (!part) continue
      const listHolds = part.proof.kind === 'list' && this.#listHolds(from, part.proof)
      for (const [i, attempt] of group.entries()) {
        const answer = part.answers[i]
        if (!answer) continue
        if (answer.kind === 'granted' && from !== self) {
          const grant = this.#grant(from, attempt, part.proof, i, listHolds)
          if (!grant) {
            logger.warn({ registrar: from }, 'a promise whose signature does not hold')
            continue
          }
          attempt.grants.set(from, grant)
        }
        attempt.answers.set(from, answer)
      }
    }
  }

  #listHolds(from: NodeId, { digests, signature }: GroupProof & { kind: 'list' }): boolean {
    return promiseHolds(this.#components.meshId(), from, digests, signature)
  }

  #grant(from: NodeId, { name, key }: Attempt, proof: GroupProof, i: number, listHolds: boolean): Grant | undefined {
    const { self, meshId } = this.#components
    const registrar = shortIdOf(from)
    const digest = claimDigest(name.address, self, { ...name, registrars: key })
    if (proof.kind === 'list') {
      if (!listHolds || Buffer.from(proof.digests).indexOf(digest) < 0) return undefined
      return { registrar, proof }
    }
    const signature = proof.signatures[i]
    if (!signature || !promiseHolds(meshId(), from, digest, signature)) return undefined
    return { registrar, proof: { kind: 'single', signature } }
  }
}

function claimedName({ name, key }: Attempt): ClaimedName {
  return { address: name.address, accountId: name.accountId, claimTime: name.claimTime, registrars: key }
}

function groupByShard(attempts: readonly Attempt[]): Attempt[][] {
  const groups = new Map<number, Attempt[]>()
  for (const attempt of attempts) {
    const shard = shardOf(attempt.name.address)
    const group = groups.get(shard)
    if (group) group.push(attempt)
    else groups.set(shard, [attempt])
  }
  return [...groups.values()]
}

function standing({ name, answers, registrars }: Attempt): ClaimStanding {
  return standingOf(name, [...answers.values()], registrars.length)
}

function undecided(attempt: Attempt): boolean {
  const now = standing(attempt)
  return now === 'open' || now === 'contested'
}

function outcomeOf(attempt: Attempt): ClaimOutcome {
  const { registrars, grants } = attempt
  const now = standing(attempt)
  // Nobody gave way in time: the other may be about to have it.
  const kind = now === 'open' ? 'provisional' : now === 'contested' ? 'taken' : now
  return { standing: kind, registrars, grants: [...grants.values()].slice(0, majorityOf(registrars.length)) }
}
