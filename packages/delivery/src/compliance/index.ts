export * from './queue-store.ts'
export * from './trace-store.ts'
export { stsPolicyStoreCompliance } from './sts-policy-store.ts'
export * from './dead-address-store.ts'
