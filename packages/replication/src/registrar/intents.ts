// Names that this node asked registrars for and that are not settled: durable before the first is asked, so that a crash leaves no
// promise that nobody will ever give back.
import { decodeCbor, encodeCbor } from '@skein/runtime'
import type { NodeId } from '@skein/runtime'
import { fromHex, hex } from '../identity.ts'
import type { LedgerOp, LedgerStore } from '../ports.ts'
import { bytesOf, countOf, listOf, textListOf, textOf } from '../wire/fields.ts'

/**
 * claiming: asked for, not yet in the map. provisional: in the map, too few promises so far.
 * releasing: not wanted (any more); the registrars named must be told.
 */
export type IntentState = 'claiming' | 'provisional' | 'releasing'

export interface Intent {
  address: string
  accountId: string
  claimTime: number
  state: IntentState
  /** Who may hold a promise for it. */
  registrars: NodeId[]
}

const states: IntentState[] = ['claiming', 'provisional', 'releasing']

function nameOf({ address, accountId }: Pick<Intent, 'address' | 'accountId'>): string {
  return `${address} ${accountId}`
}

export class Intents {
  readonly #store: LedgerStore
  readonly #intents = new Map<string, Intent>()

  constructor(store: LedgerStore) {
    this.#store = store
  }

  async load(): Promise<void> {
    for await (const { name, bytes } of this.#store.intents()) {
      const [state, address, accountId, claimTime, registrars] = listOf(decodeCbor(bytes), 'intent', 16)
      this.#intents.set(name, {
        state: states[countOf(state, 'state')] ?? 'releasing',
        address: textOf(address, 'address'),
        accountId: hex(bytesOf(accountId, 'account id', 16)),
        claimTime: countOf(claimTime, 'claim time'),
        registrars: textListOf(registrars, 'registrars'),
      })
    }
  }

  all(state: IntentState): Intent[] {
    return [...this.#intents.values()].filter((intent) => intent.state === state)
  }

  get(address: string, accountId: string): Intent | undefined {
    return this.#intents.get(nameOf({ address, accountId }))
  }

  /** The operation that makes it durable; it counts in memory at once. */
  put(intent: Intent): LedgerOp {
    const { state, address, accountId, claimTime, registrars } = intent
    const name = nameOf(intent)
    this.#intents.set(name, intent)
    const bytes = encodeCbor([states.indexOf(state), address, fromHex(accountId), claimTime, registrars])
    return { op: 'intent', name, bytes }
  }

  /** Undefined when there is none. */
  remove(intent: Pick<Intent, 'address' | 'accountId'>): LedgerOp | undefined {
    const name = nameOf(intent)
    return this.#intents.delete(name) ? { op: 'intent', name, bytes: null } : undefined
  }
}
