// Errors across the wire: a SkeinError travels as {code, kind, text}, its cause stays at home;
// anything else is our own mistake, becomes `internal-error` and a log line.
import { SkeinError, decodeCbor, encodeCbor } from '@skein/runtime'
import type { ErrorKind, Logger } from '@skein/runtime'

const failureTextLengthMax = 500

export function unreachable(text: string, cause?: unknown): SkeinError {
  return new SkeinError('peer-unreachable', 'temporary', text, cause)
}

export function encodeFailure(error: unknown, logger: Logger): Uint8Array {
  let told: SkeinError
  if (error instanceof SkeinError) told = error
  else {
    logger.error({ err: error }, 'a handler of the mesh failed')
    told = new SkeinError('internal-error', 'temporary', 'internal error')
  }
  return encodeCbor({
    code: told.code.slice(0, 100),
    kind: told.kind,
    text: told.message.slice(0, failureTextLengthMax),
  })
}

export function decodeFailure(body: Uint8Array): SkeinError {
  const value = decodeCbor(body)
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)) {
    const { code, kind, text } = value
    if (typeof code === 'string' && typeof text === 'string' && isKind(kind)) return new SkeinError(code, kind, text)
  }
  throw new SkeinError('bad-frame', 'refused', 'a failure frame has no meaning')
}

function isKind(value: unknown): value is ErrorKind {
  return value === 'refused' || value === 'temporary' || value === 'permanent'
}
