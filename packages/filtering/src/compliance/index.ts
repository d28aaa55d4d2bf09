export * from './judgement-store.ts'
