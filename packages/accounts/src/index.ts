export * from './authenticator.ts'
export * from './limits.ts'
export * from './password.ts'
export * from './ports.ts'
