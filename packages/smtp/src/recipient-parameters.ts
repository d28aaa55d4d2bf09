// RCPT's parameters: NOTIFY and ORCPT (RFC 3461 §4.1, §4.2, RFC 6533 §3).
import type { NotifyWish, RecipientOptions } from '@skein/delivery'
import { isXtext } from '@skein/mail'
import type { SmtpLimits } from './limits.ts'
import { type Reply, replies } from './replies.ts'

const wishes = new Map<string, NotifyWish>([
  ['SUCCESS', 'success'],
  ['FAILURE', 'failure'],
  ['DELAY', 'delay'],
])

/** @returns undefined where there are none. */
export function readRecipientParameters(
  parameters: ReadonlyMap<string, string>,
  limits: SmtpLimits,
  smtpUtf8: boolean,
): RecipientOptions | Reply | undefined {
  if (parameters.size === 0) return undefined
  const options: { notify?: NotifyWish[]; orcpt?: string } = {}
  for (const [keyword, value] of parameters) {
    if (keyword === 'NOTIFY') {
      const notify = readNotify(value)
      if (!notify) return replies.parameterSyntax
      options.notify = notify
    } else if (keyword === 'ORCPT') {
      if (!isOriginalRecipient(value, smtpUtf8) || Buffer.byteLength(value) > limits.originalRecipientBytesMax) {
        return replies.parameterSyntax
      }
      options.orcpt = value
    } else return replies.parameterUnknown
  }
  return options
}

/** NEVER stands alone. */
function readNotify(value: string): NotifyWish[] | null {
  if (value.toUpperCase() === 'NEVER') return []
  const found = new Set<NotifyWish>()
  for (const word of value.toUpperCase().split(',')) {
    const wish = wishes.get(word)
    if (!wish) return null
    found.add(wish)
  }
  return [...found]
}

function isOriginalRecipient(value: string, smtpUtf8: boolean): boolean {
  const match = /^([A-Za-z0-9.-]+);(.+)$/su.exec(value)
  if (!match) return false
  const [, type = '', address = ''] = match
  // RFC 6533 §3: the address type utf-8 may hold letters beyond ASCII where SMTPUTF8 is on.
  const plain = smtpUtf8 && type.toLowerCase() === 'utf-8' ? address.replace(/[\u0080-\u{10ffff}]/gu, '') : address
  return isXtext(plain)
}
