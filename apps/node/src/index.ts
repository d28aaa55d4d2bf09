export { type ConfigKey, configReference } from './config-reference.ts'
