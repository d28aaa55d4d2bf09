// Reads a request's body as text, up to a bound.

/** Undefined when it is longer than `bytesMax`; the rest is not read. */
export async function readText(request: Request, bytesMax: number): Promise<string | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) return undefined
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of request.body ?? []) {
    length += piece.length
    if (length > bytesMax) return undefined
    pieces.push(piece)
  }
  const bytes = Buffer.concat(pieces)
  // Outlook of some versions writes UTF-16 with a byte order mark.
  const charset = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8'
  return new TextDecoder(charset).decode(bytes)
}
