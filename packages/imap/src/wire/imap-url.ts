// Relative IMAP URLs of a message or a part of one (RFC 5092 §7.2), as CATENATE names them (RFC 4469 §3).
// Promises: anything else, absolute URLs and URLAUTH too, is undefined.

export interface ImapUrl {
  /** As Unicode, or as written where it may be modified UTF-7; undefined: the mailbox that is selected. */
  mailbox: string | undefined
  uidValidity: number | undefined
  uid: number
  /** As within `BODY[…]`; undefined for the whole message. */
  section: string | undefined
  partial: { start: number; count: number | undefined } | undefined
}

const NUMBER = '([1-9][0-9]{0,9})'
const pattern = new RegExp(
  `^(?:/((?!/)[^;?#]+)(?:;UIDVALIDITY=${NUMBER})?/)?;UID=${NUMBER}(?:/;SECTION=([^;?#]+?))?(?:/;PARTIAL=([0-9]{1,15})(?:\\.${NUMBER})?)?$`,
  'i',
)
const NUMBER_MAX = 0xffff_ffff

export function parseImapUrl(text: string): ImapUrl | undefined {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [, mailbox, validity, uid, section, start, count] = match
  const names = [decoded(mailbox?.replace(/\/$/, '')), decoded(section)]
  if (names.includes(null) || Number(uid) > NUMBER_MAX || Number(validity ?? 1) > NUMBER_MAX) return undefined
  return {
    mailbox: names[0] ?? undefined,
    uidValidity: validity === undefined ? undefined : Number(validity),
    uid: Number(uid),
    section: names[1] ?? undefined,
    partial:
      start === undefined
        ? undefined
        : { start: Number(start), count: count === undefined ? undefined : Number(count) },
  }
}

/** Percent-encoded UTF-8; null where it is not. */
function decoded(text: string | undefined): string | null | undefined {
  if (text === undefined) return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** What may stand in `[BADURL …]`: no `]`, no control or 8-bit characters (RFC 4469 §5 url-resp-text). */
export function shownUrl(text: string): string {
  return text
    .slice(0, 1000)
    .replaceAll(/[^ !#-[^-~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
}
