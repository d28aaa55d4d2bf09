// What became of one recipient in one attempt.
import { type ServerReply, statusOf, textOf } from '../wire/reply-reader.ts'

export interface Outcome {
  kind: 'delivered' | 'temporary' | 'permanent'
  code: number
  status: string
  text: string
  /** Who said it: host name and address, or ''. */
  hop: string
  /** Another host of the same domain may do better. */
  tryNext: boolean
  /** Delivered: which of the sender's wishes that host has taken over. */
  passedOn?: { dsn: boolean; deliverBy: boolean }
}

export function failure(
  kind: 'temporary' | 'permanent',
  code: number,
  status: string,
  text: string,
  options: { hop?: string; tryNext?: boolean } = {},
): Outcome {
  return { kind, code, status, text, hop: options.hop ?? '', tryNext: options.tryNext ?? false }
}

/** @param stage what was being said, for the reader of the queue. */
export function outcomeOfReply(
  reply: ServerReply,
  stage: string,
  options: { hop: string; tryNext: boolean; textCharactersMax: number },
): Outcome {
  const said = textOf(reply, options.textCharactersMax)
  const family = Math.floor(reply.code / 100)
  if (family === 2) {
    return {
      kind: 'delivered',
      code: reply.code,
      status: statusOf(reply),
      text: said,
      hop: options.hop,
      tryNext: false,
    }
  }
  // RFC 5321 §4.2.1: 5 is for good; anything else that is no success may pass.
  const kind = family === 5 ? 'permanent' : 'temporary'
  const text = `${stage}: ${reply.code} ${said}`
  return {
    kind,
    code: family === 3 ? 451 : reply.code,
    status: family === 3 ? '4.5.0' : statusOf(reply),
    text,
    hop: options.hop,
    tryNext: options.tryNext && kind === 'temporary',
  }
}
