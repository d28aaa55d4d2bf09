// At which other nodes somebody has logged in lately. The home vouches for it when such a node asks others to carry a letter of
// theirs: a stolen node speaks for those who live there or typed their password there, and for nobody else.
// Promises: written behind the log-in's back, at most once in `entranceNoteMs` for each account and node.
import type { Clock, Logger, NodeId } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { Account, AccountId, AccountStore } from './ports.ts'

export class Entrances {
  readonly #accounts: AccountStore
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #writing = new Map<string, Promise<void>>()

  constructor(parts: { accounts: AccountStore; clock: Clock; logger: Logger }) {
    this.#accounts = parts.accounts
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  /** `account`, which lives here, has just logged in at `node`. */
  note(account: Account, node: NodeId): void {
    const key = `${account.id} ${node}`
    const notedMs = account.entrances?.[node]
    if (this.#writing.has(key) || (notedMs !== undefined && this.#ageMs(notedMs) < accountLimits.entranceNoteMs)) return
    const written = this.#accounts
      .update(account.id, (now) => now && { ...now, entrances: this.#withEntrance(now.entrances, node) })
      .catch((error: unknown) => {
        this.#logger.warn({ error: String(error), node }, 'where somebody logged in could not be written')
      })
      .finally(() => this.#writing.delete(key))
    this.#writing.set(key, written)
  }

  /** Has the account, which lives here, logged in at `node` within `entranceKeepMs`, and may it still. */
  async has(id: AccountId, node: NodeId): Promise<boolean> {
    await this.#writing.get(`${id} ${node}`)
    const account = await this.#accounts.get(id)
    const notedMs = account?.entrances?.[node]
    return account?.state === 'active' && notedMs !== undefined && this.#ageMs(notedMs) < accountLimits.entranceKeepMs
  }

  /** Resolves when all that were noted are written. */
  async idle(): Promise<void> {
    await Promise.all(this.#writing.values())
  }

  #ageMs(sinceMs: number): number {
    return this.#clock.nowMs() - sinceMs
  }

  /** The latest few. */
  #withEntrance(before: Account['entrances'] = {}, node: NodeId): Record<NodeId, number> {
    const others = Object.entries(before).filter(
      ([id, ms]) => id !== node && this.#ageMs(ms) < accountLimits.entranceKeepMs,
    )
    others.sort(([, a], [, b]) => b - a)
    const kept = others.slice(0, accountLimits.entrancesPerAccountMax - 1)
    return Object.fromEntries([[node, this.#clock.nowMs()], ...kept])
  }
}
