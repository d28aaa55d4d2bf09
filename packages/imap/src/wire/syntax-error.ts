// What a client wrote that RFC 9051 §9 has no rule for: becomes a tagged BAD.

export class SyntaxFault extends Error {
  override readonly name = 'SyntaxFault'
}

/** @throws SyntaxFault always. */
export function fault(text: string): never {
  throw new SyntaxFault(text)
}
