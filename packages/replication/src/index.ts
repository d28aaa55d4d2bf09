export type * from './ledger-api.ts'
export * from './ports.ts'
