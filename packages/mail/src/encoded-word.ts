export function decodeWords(text: string): string {
  return text
}
export function encodeWords(text: string): string {
  return text
}
