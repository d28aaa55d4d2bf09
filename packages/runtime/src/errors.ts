// Errors are data with a stable code. A protocol maps `code` and `kind` to its own reply in one place.

/**
 * refused: the caller may not, or asked for what makes no sense; trying again unchanged is useless.
 * temporary: the same call may succeed later.
 * permanent: it can never succeed, though the caller did nothing wrong.
 */
export type ErrorKind = 'refused' | 'temporary' | 'permanent'

export class SkeinError extends Error {
  override readonly name = 'SkeinError'
  /** Stable, kebab-case, listed in docs/operating/errors.md. */
  readonly code: string
  readonly kind: ErrorKind

  /** @param text safe to show to whoever made the request. The `cause` is private: it goes to the log only. */
  constructor(code: string, kind: ErrorKind, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause })
    this.code = code
    this.kind = kind
  }
}

/** True for a SkeinError with that code. */
export function isErrorCode(error: unknown, code: string): error is SkeinError {
  return error instanceof SkeinError && error.code === code
}

/** Asserts our own mistakes, in production too; never the world's. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}
