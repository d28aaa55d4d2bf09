export { type DynamicUpdates, type UpdateSettings, createDynamicUpdates } from './dynamic-update.ts'
export { type ServerAddress, serverAddress } from './tcp-message.ts'
export type { TextChange, TsigKey } from './update-message.ts'
export { type ZoneQuestions, createZoneQuestions } from './zone-questions.ts'
