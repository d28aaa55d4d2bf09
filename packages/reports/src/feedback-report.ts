// Abuse feedback (RFC 5965) and authentication failures (RFC 6591): what other systems say of single letters of ours.
import { decodeHeaderText, fieldValue, findMessageId, parseHeaderFields, parseDate } from '@skein/mail'
import type { ReportLimits } from './limits.ts'
import type { FeedbackReport } from './ports.ts'
import { damagedReport } from './packed.ts'

/**
 * @param fields the body of the message/feedback-report part
 * @param original the header of the letter that it is about; empty where none is enclosed
 * @throws SkeinError `report-damaged`
 */
export function readFeedbackReport(
  fields: Uint8Array,
  original: Uint8Array,
  letter: { from: string; receivedMs: number },
  limits: ReportLimits,
): FeedbackReport {
  const all = parseHeaderFields(fields).map((field) => ({
    name: field.name.toLowerCase(),
    value: fieldValue(fields, field).trim().slice(0, limits.reportTextCharactersMax),
  }))
  const values = (name: string) => all.filter((field) => field.name === name).map(({ value }) => value)
  const value = (name: string) => values(name)[0] ?? ''
  const feedbackType = value('feedback-type').toLowerCase()
  if (feedbackType === '') throw damagedReport('the feedback report says no type')
  const subject = parseHeaderFields(original).find(({ name }) => name.toLowerCase() === 'subject')
  const originalFrom = bare(value('original-mail-from'))
  const atMs = parseDate(value('arrival-date')) ?? letter.receivedMs
  return {
    kind: 'abuse',
    organisation: letter.from.slice(letter.from.lastIndexOf('@') + 1),
    reportId: value('original-envelope-id'),
    domain: (value('reported-domain') || originalFrom.slice(originalFrom.lastIndexOf('@') + 1)).toLowerCase(),
    beginMs: atMs,
    endMs: atMs,
    feedbackType,
    sourceIp: value('source-ip'),
    originalFrom,
    originalTo: values('original-rcpt-to').slice(0, 100).map(bare),
    originalMessageId: findMessageId(original),
    subject: subject ? decodeHeaderText(fieldValue(original, subject)).slice(0, limits.reportTextCharactersMax) : '',
  }
}

function bare(path: string): string {
  return path.replace(/^<|>$/g, '')
}
