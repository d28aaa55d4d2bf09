export { imapLimits } from './limits.ts'
export type { ImapLimits } from './limits.ts'
export { createImapServer } from './server.ts'
export type { ImapComponents, ImapServer, ImapSettings, ListenOptions } from './server.ts'
