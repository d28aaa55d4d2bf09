export * from './address.ts'
export * from './charset.ts'
export * from './date-time.ts'
export * from './delivery-status.ts'
export * from './encoded-word.ts'
export {
  type HeaderField,
  type Parameterised,
  decodedFieldValue,
  fieldValue,
  formatField,
  headerEnd,
  parseHeaderFields,
  parseParameterised,
  unfold,
} from './header.ts'
export * from './message-index.ts'
export * from './trace-header.ts'
export * from './types.ts'
