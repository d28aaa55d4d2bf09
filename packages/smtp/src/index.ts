export type { SmtpComponents, SmtpRole } from './house.ts'
export * from './limits.ts'
export { type SmtpServer, type SmtpSettings, createSmtpServer, trustedAddressesDefault } from './server.ts'
