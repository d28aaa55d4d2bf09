export { createTextIndex } from './text-index.ts'
export type { DiskTextIndex, TextIndexComponents, TextIndexSettings } from './text-index.ts'
export { searchLimits } from './limits.ts'
