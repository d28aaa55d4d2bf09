// Everything that the door says: reply codes (RFC 5321 §4.2), enhanced status codes (RFC 3463, RFC 7372), and the reason's name,
// under which refusals are counted and logged.

export interface Refusal {
  /** A word for metrics and logs. */
  reason: string
  code: number
  status: string
  text: string
}

/** 421 ends the session. */
const refusal = (reason: string, code: number, status: string, text: string): Refusal => ({
  reason,
  code,
  status,
  text,
})

export const refusals = {
  blockedAddress: (why: string) =>
    refusal('blocked-address', 554, '5.7.1', `your address is blocked here${why === '' ? '' : `: ${why}`}`),
  blockedSender: (why: string) =>
    refusal('blocked-sender', 550, '5.7.1', `this sender is blocked here${why === '' ? '' : `: ${why}`}`),
  banned: (why: string, leftMs: number) =>
    refusal('banned', 421, '4.7.1', `your address is sent away for ${spoken(leftMs)}: ${why}`),
  tooManySessions: refusal('too-many-sessions', 421, '4.7.0', 'too many sessions from your address at once'),
  tooManyConnections: (waitMs: number) =>
    refusal(
      'too-many-connections',
      421,
      '4.7.0',
      `too many connections from your address, try again in ${spoken(waitMs)}`,
    ),
  tooManyLetters: (waitMs: number) =>
    refusal('too-many-letters', 451, '4.7.1', `too many letters from your address, try again in ${spoken(waitMs)}`),
  tooManyRecipients: (waitMs: number) =>
    refusal(
      'too-many-recipients',
      451,
      '4.7.1',
      `too many recipients from your address, try again in ${spoken(waitMs)}`,
    ),
  tooManyForRecipient: (waitMs: number) =>
    refusal(
      'recipient-flooded',
      450,
      '4.2.1',
      `this mailbox gets too many letters now, try again in ${spoken(waitMs)}`,
    ),
  // RFC 7372 §3.4.
  noReverseName: refusal(
    'no-reverse-name',
    550,
    '5.7.25',
    'your address has no host name in the DNS that leads back to it',
  ),
  listed: (zone: string, why: string) =>
    refusal('listed', 554, '5.7.1', `your address or domain is listed by ${zone}${why === '' ? '' : `: ${why}`}`),
  // RFC 6647 §5.
  greylisted: (waitMs: number) =>
    refusal('greylisted', 451, '4.7.1', `greylisted: new here, please try again in ${spoken(waitMs)}`),
  guessing: refusal('guessing-recipients', 421, '4.7.1', 'too many unknown recipients'),
  tarpitFull: refusal('tarpit-full', 421, '4.7.1', 'too many unknown recipients, try again later'),
} as const

function spoken(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000))
  return seconds < 600 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`
}
