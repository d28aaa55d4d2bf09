// Accounts that predate SCRAM get their verifier after a log-in that told the password.
// Promises: one at a time, behind the log-in's back; a password changed meanwhile wins; written before the node stops.
import type { Logger, Random } from '@skein/runtime'
import { accountLimits } from './limits.ts'
import type { Account, AccountStore } from './ports.ts'
import { createScramVerifier, scramVerifierOf } from './sasl/scram-verifier.ts'

export class ScramUpgrades {
  readonly #accounts: AccountStore
  readonly #random: Random
  readonly #logger: Logger
  #last: Promise<void> = Promise.resolve()
  #waiting = 0

  constructor(parts: { accounts: AccountStore; random: Random; logger: Logger }) {
    this.#accounts = parts.accounts
    this.#random = parts.random
    this.#logger = parts.logger
  }

  /** `password` has just been found right for `account`. */
  note(account: Account, password: string): void {
    const { id, passwordHash } = account
    if (passwordHash === null || scramVerifierOf(account)) return
    if (this.#waiting >= accountLimits.scramUpgradesWaitingMax) return
    this.#waiting += 1
    this.#last = this.#last
      .then(() => this.#upgrade(id, password, passwordHash))
      .catch((error: unknown) => {
        this.#logger.warn(
          { error: String(error) },
          'a SCRAM verifier could not be written; the next log-in tries again',
        )
      })
      .finally(() => {
        this.#waiting -= 1
      })
  }

  /** Resolves when all that were noted are written. */
  async idle(): Promise<void> {
    await this.#last
  }

  async #upgrade(id: string, password: string, passwordHash: string): Promise<void> {
    const scram = await createScramVerifier(password, passwordHash, this.#random.bytes(16))
    await this.#accounts.update(id, (account) =>
      account?.passwordHash === passwordHash && !scramVerifierOf(account) ? { ...account, scram } : undefined,
    )
  }
}
