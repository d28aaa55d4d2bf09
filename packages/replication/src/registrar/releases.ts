// Gives names back to the registrars that may hold a promise for them, until each of them has heard it.
import type { Logger, NodeId } from '@skein/runtime'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import type { Intent, Intents } from './intents.ts'
import { decodeNeeded, encodeOwnRequest } from './messages.ts'
import type { NamedAccount } from './messages.ts'
import type { Registrar } from './registrar.ts'

export interface ReleasesComponents {
  self: NodeId
  store: LedgerStore
  logger: Logger
  intents: Intents
  registrar: Registrar
  isMember(id: NodeId): boolean
  /** This node's documents name that account under that address. */
  isOwnEntry(address: string, accountId: string): boolean
  ask(to: NodeId, payload: Uint8Array): Promise<Uint8Array>
}

const namesPerRequest = 2_000

export class Releases {
  readonly #components: ReleasesComponents

  constructor(components: ReleasesComponents) {
    this.#components = components
  }

  /** @param given names to give back: those not wanted any more, and those that lost to another's claim */
  async run(given: readonly Intent[]): Promise<void> {
    const { intents, isMember, self, store } = this.#components
    const byRegistrar = new Map<NodeId, Intent[]>()
    for (const intent of given) {
      for (const registrar of intent.registrars.filter((id) => id === self || isMember(id))) {
        const list = byRegistrar.get(registrar)
        if (list) list.push(intent)
        else byRegistrar.set(registrar, [intent])
      }
    }
    const told = new Map<Intent, NodeId[]>()
    await Promise.all(
      [...byRegistrar].map(async ([registrar, list]) => {
        if (!(await this.#tell(registrar, list))) return
        for (const intent of list) told.set(intent, [...(told.get(intent) ?? []), registrar])
      }),
    )
    const ops: LedgerOp[] = []
    for (const intent of given) {
      const left = intent.registrars.filter((id) => (id === self || isMember(id)) && !told.get(intent)?.includes(id))
      // Meanwhile the name may have been asked for anew.
      if (intents.get(intent.address, intent.accountId) !== intent) continue
      if (intent.state === 'releasing' && left.length === 0) {
        const gone = intents.remove(intent)
        if (gone) ops.push(gone)
      } else if (left.length !== intent.registrars.length) {
        ops.push(intents.put({ ...intent, registrars: left }))
      }
    }
    if (ops.length > 0) await store.commit(ops)
  }

  async #tell(registrar: NodeId, list: readonly Intent[]): Promise<boolean> {
    const { self, logger } = this.#components
    const names = list.map(({ address, accountId }) => ({ address, accountId }))
    try {
      if (registrar === self) await this.#components.registrar.release(self, names)
      else await this.#components.ask(registrar, encodeOwnRequest({ kind: 'release', names }))
      return true
    } catch (error) {
      logger.debug({ registrar, error }, 'registrar not reached to give names back')
      return false
    }
  }

  /** Promises of this node that stand open for long: dropped where the claimant says that it does not need them. */
  async recheck(ageMs: number): Promise<void> {
    const { registrar, self, logger } = this.#components
    for (const [owner, names] of registrar.unsettled(ageMs)) {
      for (let i = 0; i < names.length; i += namesPerRequest) {
        const part = names.slice(i, i + namesPerRequest)
        try {
          const needed =
            owner === self
              ? this.needed(part)
              : decodeNeeded(await this.#components.ask(owner, encodeOwnRequest({ kind: 'recheck', names: part })))
          const idle = part.filter((_, k) => needed[k] === false)
          if (idle.length > 0) await registrar.release(owner, idle)
        } catch (error) {
          logger.debug({ owner, error }, 'claimant not reached about its promises')
          break
        }
      }
    }
  }

  /** Which of these promises this node needs as the claimant: for names being claimed, or in its documents. */
  needed(names: readonly NamedAccount[]): boolean[] {
    const { intents, isOwnEntry } = this.#components
    return names.map(({ address, accountId }) => {
      const intent = intents.get(address, accountId)
      return intent ? intent.state !== 'releasing' : isOwnEntry(address, accountId)
    })
  }
}
