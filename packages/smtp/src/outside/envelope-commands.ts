// MAIL and RCPT as they are said to another server: what the sender asked for goes along as far as that server knows it.
import type { QueueItem, QueueRecipient } from '@skein/delivery'
import { encodeXtext } from '@skein/mail'
import { isAscii } from '../wire/mail-path.ts'
import type { LetterNeeds } from './letter-needs.ts'
import { outsideSize } from './outside-letter.ts'

type Extensions = ReadonlyMap<string, string>

export function mailCommand(item: QueueItem, needs: LetterNeeds, extensions: Extensions, nowMs: number): string {
  const has = (keyword: string) => extensions.has(keyword)
  const { ret, envid, requireTls, deliverBy, priority, solicit } = item.options ?? {}
  const parameters: string[] = []
  // What it will be after the conversion is not known yet.
  if (has('SIZE') && !needs.plan) parameters.push(`SIZE=${outsideSize(item)}`)
  if (needs.body === 'binary') parameters.push('BODY=BINARYMIME')
  else if (needs.body === '8bit' && has('8BITMIME')) parameters.push('BODY=8BITMIME')
  if (needs.smtpUtf8) parameters.push('SMTPUTF8')
  if (requireTls) parameters.push('REQUIRETLS')
  if (has('DSN')) {
    if (ret !== undefined) parameters.push(`RET=${ret.toUpperCase()}`)
    if (envid !== undefined) parameters.push(`ENVID=${envid}`)
  }
  if (deliverBy && has('DELIVERBY')) {
    // RFC 2852 §4.1.3: what is left of the time. Nothing that must come back leaves with none.
    const seconds = Math.floor((deliverBy.atMs - nowMs) / 1000)
    const isReturn = deliverBy.mode === 'return'
    const by = Math.min(999_999_999, Math.max(isReturn ? 1 : -999_999_999, seconds))
    parameters.push(`BY=${by};${isReturn ? 'R' : 'N'}${deliverBy.trace ? 'T' : ''}`)
  }
  if (priority !== undefined && has('MT-PRIORITY')) parameters.push(`MT-PRIORITY=${priority}`)
  if (solicit !== undefined && has('NO-SOLICITING')) parameters.push(`SOLICIT=${solicit}`)
  return [`MAIL FROM:<${item.from}>`, ...parameters].join(' ')
}

export function rcptCommand(recipient: QueueRecipient, needs: LetterNeeds, extensions: Extensions): string {
  const parameters: string[] = []
  if (extensions.has('DSN')) {
    const { notify } = recipient.options ?? {}
    if (notify) parameters.push(`NOTIFY=${notify.length === 0 ? 'NEVER' : notify.join(',').toUpperCase()}`)
    const orcpt = originalRecipient(recipient)
    if (orcpt !== undefined && (needs.smtpUtf8 || isAscii(orcpt))) parameters.push(`ORCPT=${orcpt}`)
  }
  return [`RCPT TO:<${recipient.address}>`, ...parameters].join(' ')
}

/** RFC 3461 §5.2.1: as given; where an alias of ours stands behind the address, its own name (§5.2.7.2). */
function originalRecipient({ options, original, address }: QueueRecipient): string | undefined {
  if (options?.orcpt !== undefined) return options.orcpt
  return original !== address && isAscii(original) ? `rfc822;${encodeXtext(original)}` : undefined
}
