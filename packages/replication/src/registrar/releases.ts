// Gives names back to the registrars that may hold a promise for them, until each of them has heard it.
import type { Logger, NodeId } from '@skein/runtime'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import type { Intent, Intents } from './intents.ts'
import { encodeOwnRequest } from './messages.ts'
import type { Registrar } from './registrar.ts'

export interface ReleasesComponents {
  self: NodeId
  store: LedgerStore
  logger: Logger
  intents: Intents
  registrar: Registrar
  isMember(id: NodeId): boolean
  ask(to: NodeId, payload: Uint8Array): Promise<Uint8Array>
}

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
}
