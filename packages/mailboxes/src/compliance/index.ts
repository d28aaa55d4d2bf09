export * from './mailbox-store.ts'
export * from './message-log.ts'
