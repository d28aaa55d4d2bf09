export { parseAddressList } from './address-list.ts'
export * from './address.ts'
export { decodeText } from './charset.ts'
export * from './date-time.ts'
export * from './delivery-status.ts'
export { decodeHeaderText, decodeWords, encodeWords } from './encoded-word.ts'
export {
  type HeaderField,
  decodedFieldValue,
  fieldValue,
  formatField,
  headerEnd,
  parseHeaderFields,
  unfold,
} from './header.ts'
export { indexMessage } from './message-index.ts'
export { type Parameterised, parseParameterised } from './parameters.ts'
export { allText, decodePart, partText, readableText } from './readable-text.ts'
export {
  foldText,
  foldedAddresses,
  foldedBody,
  foldedHeader,
  foldedHeaderHas,
  foldedMachineHeader,
  foldedPartHeaders,
  isMachineField,
} from './search-text.ts'
export { unicodeCasemap } from './unicode-casemap.ts'
export { type SrsAddress, srsRewrite, srsUndo } from './srs.ts'
export {
  type ReceivedTrace,
  countReceived,
  findMessageId,
  messageIdText,
  formatReceived,
  formatReturnPath,
} from './trace-header.ts'
export { createTransferDecoder, type TransferDecoder } from './transfer-decoder.ts'
export { decodeTransfer, encodeBase64Lines } from './transfer-encoding.ts'
export * from './types.ts'
export { escapeXml, xmlElement } from './xml-text.ts'
export { decodeXtext, encodeXtext, isXtext } from './xtext.ts'
export {
  type ConversionPlan,
  type Survey,
  type TransferTarget,
  ConversionSurvey,
  TransferConversion,
} from './transfer-conversion.ts'
