export { type Judgement, type JudgementComponents, createJudgement } from './judgement/judgement.ts'
export * from './judgement/limits.ts'
export type { JudgementChanges, JudgementStore, StoredRecord } from './judgement/ports.ts'
export { type JudgementKind, type JudgementRecord, decodeRecord, encodeRecord } from './judgement/record.ts'
