export { type Judgement, type JudgementComponents, createJudgement } from './judgement/judgement.ts'
export * from './judgement/limits.ts'
export type { JudgementChanges, JudgementStore, StoredRecord } from './judgement/ports.ts'
export { type JudgementKind, type JudgementRecord, decodeRecord, encodeRecord } from './judgement/record.ts'
export type { Ban } from './door/bans.ts'
export { type DnsListSettings, parseDnsList } from './door/dns-lists.ts'
export type { GreylistFor } from './door/door-parts.ts'
export {
  type DoorkeeperComponents,
  type DoorkeeperSettings,
  type OperatedDoorkeeper,
  createDoorkeeper,
} from './door/doorkeeper.ts'
export * from './door/limits.ts'
export type { DoorAnswer, DoorStats, DoorVisit, Doorkeeper, Visitor } from './door/ports.ts'
export type { Refusal } from './door/refusals.ts'
export { type DoorRule, canonicalSubject } from './door/static-lists.ts'
export { type SubjectHash, createSubjectHash } from './door/subject-hash.ts'
export { createSharedLoginFailures } from './door/login-failures.ts'
export { createSpentElsewhere } from './door/spent-elsewhere.ts'
export { defaultAuthenticationPolicy, type AuthenticationPolicy } from './authentication/policy.ts'
export { createLetterExaminer, type ExaminerComponents, type ExaminerSettings } from './authentication/examiner.ts'
export { authenticationLimits } from './authentication/limits.ts'
export { evaluateDmarc, type DmarcCheck, type DmarcQuestion } from './authentication/dmarc.ts'
export { parseDmarcRecord, type DmarcRecord } from './authentication/dmarc-record.ts'
export * from './authentication/ports.ts'
