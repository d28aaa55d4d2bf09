// Literals: the announcement at the end of a line (RFC 9051 §4.3, RFC 7888) and what became of their bytes.
import type { BlobRef } from '@skein/mailboxes'

export interface LiteralAnnouncement {
  bytes: number
  /** False for `{n+}`: the client sends the bytes without waiting. */
  synchronising: boolean
  /** `~{n}`: literal8, may hold NUL (RFC 9051 §4.3). */
  binary: boolean
}

/** A literal kept in memory: a mailbox name, a search string, a password. */
export interface HeldLiteral {
  kind: 'held'
  bytes: Buffer
  binary: boolean
}

/** A message: its bytes went to the message log as they came. */
export interface StoredLiteral {
  kind: 'stored'
  length: number
  /** Resolves once durable. */
  blob: Promise<BlobRef>
  /** The message itself, where it is small. */
  bytes: Uint8Array | undefined
}

/** A command as received: text of its lines (one char for each byte, announcements cut off) and literals, in turn. */
export type CommandPart = string | HeldLiteral | StoredLiteral

/** The longest announcement that is read: `~{`, 15 digits, `+}`. */
export const ANNOUNCEMENT_BYTES_MAX = 20

const announcementPattern = /(~?)\{(\d{1,15})(\+?)\}$/

/** @param lineEnd the last bytes of a line, at least `ANNOUNCEMENT_BYTES_MAX` of them where there are as many. */
export function announcementAtEnd(lineEnd: string): { announcement: LiteralAnnouncement; length: number } | undefined {
  if (lineEnd.charCodeAt(lineEnd.length - 1) !== 0x7d) return undefined
  const match = announcementPattern.exec(lineEnd)
  if (match === null) return undefined
  const announcement = { bytes: Number(match[2]), synchronising: match[3] === '', binary: match[1] === '~' }
  return { announcement, length: match[0].length }
}
