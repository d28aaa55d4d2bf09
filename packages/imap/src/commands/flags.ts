// Flags as clients write them (RFC 9051 §2.3.2, §9 flag).
import type { Cursor } from '../wire/cursor.ts'
import { fault } from '../wire/syntax-error.ts'
import { SYSTEM_FLAGS } from '../view.ts'

/**
 * A flag in its own spelling; keywords are case-insensitive too, but keep the case they come in.
 * `\Recent` cannot be set by a client and is passed over as undefined.
 * @throws SyntaxFault for a system flag that there is none of.
 */
export function parseFlag(cursor: Cursor): string | undefined {
  const text = cursor.flag()
  if (!text.startsWith('\\')) return text
  const lower = text.toLowerCase()
  if (lower === '\\recent') return undefined
  return SYSTEM_FLAGS.find((flag) => flag.toLowerCase() === lower) ?? fault('there is no such system flag')
}

/** `(\Seen $Forwarded)` */
export function parseFlagList(cursor: Cursor): string[] {
  return distinct(cursor.list(() => parseFlag(cursor), true))
}

export function distinct(flags: readonly (string | undefined)[]): string[] {
  const seen = new Map<string, string>()
  for (const flag of flags) if (flag !== undefined) seen.set(flag.toLowerCase(), flag)
  return [...seen.values()]
}
