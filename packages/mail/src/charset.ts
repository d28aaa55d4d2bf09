export function decodeText(bytes: Uint8Array, charset: string | null): string {
  return new TextDecoder(charset ?? 'utf-8').decode(bytes)
}
