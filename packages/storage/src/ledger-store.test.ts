import { ledgerStoreCompliance } from '@skein/replication/compliance'
import { createLedgerStore } from './ledger-store.ts'
import { levelStores } from './level-stores-fixture.ts'

ledgerStoreCompliance('level', levelStores('ledger', createLedgerStore))
