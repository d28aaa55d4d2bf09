export * from './mailbox-store.ts'
export { sampleCommit, sampleMailbox, sampleMessage } from './samples.ts'
export * from './message-log.ts'
