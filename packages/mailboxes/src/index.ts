export * from './rights.ts'
export * from './limits.ts'
export * from './mailboxes.ts'
export * from './ports.ts'
