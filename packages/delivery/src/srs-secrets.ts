// The secrets behind rewritten senders (SRS), shared by all nodes of the mesh so that a bounce may come to any of them. A new
// one is made every few months; the one before is kept for as long as addresses made with it are good.
import type { Clock, Logger, Random, Timer } from '@skein/runtime'
import type { SrsSecrets } from './forwarding-courier.ts'
import type { DeliveryLimits } from './limits.ts'

export interface SharedSecret {
  id: string
  key: Uint8Array
  madeMs: number
}

/** Where the mesh keeps them. */
export interface SharedSecrets {
  /** Newest first, in the same order on every node. */
  list(): SharedSecret[]
  /** May this node make and remove them. */
  mayChange(): boolean
  add(key: Uint8Array): Promise<void>
  remove(id: string): Promise<void>
}

export interface SrsSecretKeeperComponents {
  shared: SharedSecrets
  clock: Clock
  random: Random
  logger: Logger
}

export type SrsSecretLimits = Pick<DeliveryLimits, 'srsSecretRotateMs' | 'srsSecretSettleMs' | 'srsSecretKeepMs'>

const secretBytes = 32
const lookPauseMs = 3600_000

export class SrsSecretKeeper {
  readonly #parts: SrsSecretKeeperComponents
  readonly #limits: SrsSecretLimits
  #timer: Timer | undefined
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(components: SrsSecretKeeperComponents, limits: SrsSecretLimits) {
    this.#parts = components
    this.#limits = limits
  }

  secrets(): SrsSecrets {
    const all = this.#parts.shared.list()
    const settledMs = this.#parts.clock.nowMs() - this.#limits.srsSecretSettleMs
    // A new one is used once it has reached everybody; the very first one at once.
    const newest = all.find(({ madeMs }) => madeMs <= settledMs) ?? all.at(-1)
    return { ...(newest && { newest: newest.key }), known: all.map(({ key }) => key) }
  }

  /** Makes the first one where there is none, and looks after them from now on. */
  start(): void {
    this.#work = this.#lookAfter()
      .catch((error: unknown) => this.#parts.logger.warn({ err: error }, 'the secrets of SRS could not be renewed'))
      .then(() => {
        if (!this.#stopped) this.#timer = this.#parts.clock.setTimer(lookPauseMs, () => this.start())
      })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#work
  }

  async #lookAfter(): Promise<void> {
    const { shared, clock, random } = this.#parts
    const { srsSecretRotateMs, srsSecretSettleMs, srsSecretKeepMs } = this.#limits
    if (this.#stopped || !shared.mayChange()) return
    const nowMs = clock.nowMs()
    const all = shared.list()
    const [newest] = all
    if (!newest || newest.madeMs <= nowMs - srsSecretRotateMs) await shared.add(random.bytes(secretBytes))
    // Nothing was made with the older ones since that one is in use.
    const inUse = all.findIndex(({ madeMs }) => madeMs <= nowMs - srsSecretSettleMs - srsSecretKeepMs)
    for (const { id } of inUse < 0 ? [] : all.slice(inUse + 1)) await shared.remove(id)
  }
}
