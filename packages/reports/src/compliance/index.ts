export * from './report-store.ts'
