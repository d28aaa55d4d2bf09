export type { SmtpComponents, SmtpRole } from './house.ts'
export * from './limits.ts'
export {
  type OutsideCourier,
  type OutsideCourierComponents,
  type OutsideCourierSettings,
  createOutsideCourier,
} from './outside-courier.ts'
export { type SmtpServer, type SmtpSettings, createSmtpServer, trustedAddressesDefault } from './server.ts'
