export interface HeaderField {
  /** As written, without trailing white space before the colon. */
  name: string
  /** Lower case. */
  lower: string
  /** Offset of the field's first byte. */
  start: number
  /** Offset after the field's last line end (folded lines included). */
  end: number
  /** Offset after the colon. */
  valueStart: number
}
export interface Parameterised {
  value: string
  parameters: Record<string, string>
}
export function parseHeaderFields(bytes: Uint8Array, start = 0, end = bytes.length): HeaderField[] {
  return start < end ? [] : []
}
export function headerEnd(bytes: Uint8Array, start = 0, end = bytes.length): number {
  return Math.max(start, end)
}
export function unfold(text: string): string {
  return text
}
export function fieldValue(bytes: Uint8Array, field: HeaderField): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice(field.valueStart, field.end)
}
export function decodedFieldValue(bytes: Uint8Array, field: HeaderField): string {
  return fieldValue(bytes, field)
}
export function parseParameterised(value: string): Parameterised {
  return { value, parameters: {} }
}
