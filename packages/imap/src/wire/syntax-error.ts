// What a client wrote that RFC 9051 §9 has no rule for: becomes a tagged BAD.

export class SyntaxFault extends Error {
  override readonly name = 'SyntaxFault'
  /** Response code of the BAD, without its brackets. */
  readonly code: string | undefined

  constructor(text: string, code?: string) {
    super(text)
    this.code = code
  }
}

/** @throws SyntaxFault always. */
export function fault(text: string, code?: string): never {
  throw new SyntaxFault(text, code)
}
