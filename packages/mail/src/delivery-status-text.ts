// What a delivery status notification says to people, in English and in Simplified Chinese.
import type { DsnKind, DsnRecipient, DsnRequest } from './delivery-status-request.ts'
import { formatDate } from './date-time.ts'
import { mailLimits } from './types.ts'

export const dsnSubject: Record<DsnKind, string> = {
  failure: 'Your message could not be delivered / 邮件未能送达',
  delay: 'Your message is delayed / 邮件投递延迟',
  success: 'Your message was delivered / 邮件已送达',
  relayed: 'Your message was passed on / 邮件已转交',
  expanded: 'Your message was passed on to a list / 邮件已分发',
}

const opening: Record<DsnKind, { en: string; zh: string }> = {
  failure: {
    en: 'Your message could not be delivered to the recipients below. No further attempt will be made.',
    zh: '您的邮件未能送达以下收件人,系统不会再次尝试投递。',
  },
  delay: {
    en: 'Your message has not reached the recipients below yet. You need not send it again: delivery goes on.',
    zh: '您的邮件尚未送达以下收件人。您无需重新发送,系统会继续尝试投递。',
  },
  success: {
    en: 'Your message was delivered to the recipients below.',
    zh: '您的邮件已送达以下收件人。',
  },
  relayed: {
    en: 'Your message was passed on to a mail system that may not tell when it is delivered to the recipients below.',
    zh: '您的邮件已转交给其他邮件系统,该系统可能不会告知邮件是否已送达以下收件人。',
  },
  expanded: {
    en: 'Your message was passed on to all those for whom the addresses below stand. There may be no further notice of success.',
    zh: '您的邮件已分发给以下地址所代表的全部收件人,之后可能不再另行通知送达结果。',
  },
}

const answerCharactersMax = 500

/** Lines ending in CRLF. */
export function dsnText(request: DsnRequest): string {
  const { en, zh } = opening[request.kind]
  const named = request.recipients.slice(0, mailLimits.dsnRecipientsNamedMax)
  const more = request.recipients.length - named.length
  const english = [
    `This is the mail system at ${oneLine(request.reportingMta)}.`,
    '',
    en,
    '',
    ...named.flatMap((recipient) => recipientLines(recipient, englishWords)),
    ...(more > 0 ? [`… and ${more} more.`] : []),
  ]
  const chinese = [
    `这是 ${oneLine(request.reportingMta)} 的邮件系统发出的通知。`,
    '',
    zh,
    '',
    ...named.flatMap((recipient) => recipientLines(recipient, chineseWords)),
    ...(more > 0 ? [`…… 另有 ${more} 位收件人。`] : []),
  ]
  return `${[...english, '', '-'.repeat(40), '', ...chinese].join('\r\n')}\r\n`
}

interface Words {
  answer: string
  answerOf: (host: string) => string
  retryUntil: string
}

const englishWords: Words = {
  answer: 'Reason: ',
  answerOf: (host) => `Reason, given by ${host}: `,
  retryUntil: 'Delivery will be tried until ',
}

const chineseWords: Words = {
  answer: '原因:',
  answerOf: (host) => `原因(来自 ${host}):`,
  retryUntil: '系统将继续尝试投递,直至 ',
}

function recipientLines(recipient: DsnRecipient, words: Words): string[] {
  const { originalRecipient, finalRecipient, remoteMta, willRetryUntilMs } = recipient
  const lines = [`<${oneLine(originalRecipient ?? finalRecipient)}>`]
  const answer = oneLine(recipient.diagnosticCode)
  if (answer !== '') {
    const label = remoteMta === undefined || remoteMta === '' ? words.answer : words.answerOf(oneLine(remoteMta))
    lines.push(`    ${label}${answer}`)
  }
  if (recipient.action === 'delayed' && willRetryUntilMs !== undefined) {
    lines.push(`    ${words.retryUntil}${formatDate(willRetryUntilMs)}`)
  }
  return [...lines, '']
}

function oneLine(text: string): string {
  const line = text
    .toWellFormed()
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
  return line.length > answerCharactersMax ? `${line.slice(0, answerCharactersMax).toWellFormed()}…` : line
}
