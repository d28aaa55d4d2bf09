export function parseDate(text: string): number | null {
  return text === '' ? null : null
}
export function formatDate(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000')
}
export function imapInternalDate(ms: number): string {
  return formatDate(ms)
}
export function parseImapDateTime(text: string): number | null {
  return parseDate(text)
}
