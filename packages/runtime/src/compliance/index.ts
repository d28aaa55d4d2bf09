export * from './peer-streams.ts'
