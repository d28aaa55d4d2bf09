export * from './database.ts'
export * from './mailbox-store.ts'
export * from './message-log.ts'
export type { CompactOptions, Compaction } from './message-log-compaction.ts'
export * from './queue-store.ts'
export * from './trace-store.ts'
export * from './dead-address-store.ts'
export * from './account-store.ts'
export * from './ledger-store.ts'
export * from './store-check.ts'
export * from './live-blobs.ts'
export * from './store-upkeep.ts'
<<<<<<< HEAD
export * from './report-store.ts'
=======
export { createStsPolicyStore } from './sts-policy-store.ts'
>>>>>>> main
