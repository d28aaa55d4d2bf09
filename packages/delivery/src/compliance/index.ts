export * from './queue-store.ts'
export * from './trace-store.ts'
