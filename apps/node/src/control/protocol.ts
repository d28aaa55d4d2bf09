// What the operator commands and the running node say to each other over DIR/control.sock: one JSON object a line each way.
import { SkeinError, type ErrorKind } from '@skein/runtime'

export interface ControlRequest {
  op: string
  params: unknown
}

export type ControlReply =
  | { ok: true; result: unknown }
  | { ok: false; error: { code: string; kind: ErrorKind; text: string } }

export const controlLimits = {
  requestBytesMax: 512 * 1024 * 1024,
  /** One more is closed at once. */
  connectionsMax: 1024,
} as const

/** What a caller may see of any error: SkeinErrors whole, others only as `internal-error`. */
export function errorReply(error: unknown): ControlReply {
  if (error instanceof SkeinError) {
    return { ok: false, error: { code: error.code, kind: error.kind, text: error.message } }
  }
  return {
    ok: false,
    error: { code: 'internal-error', kind: 'temporary', text: 'an internal error; the node’s log says more' },
  }
}

/** The result, or throws the error that the reply carries. */
export function resultOf(reply: ControlReply): unknown {
  if (reply.ok) return reply.result
  throw new SkeinError(reply.error.code, reply.error.kind, reply.error.text)
}
