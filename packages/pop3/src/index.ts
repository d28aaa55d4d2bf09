export type { Pop3Components } from './house.ts'
export * from './limits.ts'
export { type Pop3Mode, type Pop3Server, type Pop3Settings, createPop3Server } from './server.ts'
