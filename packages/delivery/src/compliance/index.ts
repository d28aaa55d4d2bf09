export * from './queue-store.ts'
export * from './trace-store.ts'
export * from './dead-address-store.ts'
