export * from './delivery.ts'
export * from './ports.ts'
export { retryPausesMs } from './retry-schedule.ts'
export type { LineStats } from './scheduler.ts'
