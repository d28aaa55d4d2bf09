// What a ledger is made from.
import type { Clock, Logger, Random } from '@skein/runtime'
import type { LedgerStore, Signer } from './ports.ts'

export interface LedgerComponents {
  store: LedgerStore
  signer: Signer
  clock: Clock
  random: Random
  logger: Logger
}
