// Finds reports in a letter: DMARC and TLS reports are attachments, feedback is a part of a multipart/report.
// Promises: never throws; what looks like a report and can't be read is said as damage.
import { type MimePart, decodePart, decodeText, indexMessage } from '@skein/mail'
import { isErrorCode } from '@skein/runtime'
import { readDmarcReport } from './dmarc-report.ts'
import { readFeedbackReport } from './feedback-report.ts'
import type { ReportLimits } from './limits.ts'
import { unpacked } from './packed.ts'
import type { Report } from './ports.ts'
import { readTlsReport } from './tls-report.ts'

export interface Recognised {
  reports: Report[]
  /** Why parts that claim to be reports could not be read. */
  damage: string[]
}

const containers = new Set([
  'gzip',
  'x-gzip',
  'zip',
  'x-zip',
  'x-zip-compressed',
  'octet-stream',
  'xml',
  'tlsrpt+gzip',
  'tlsrpt+json',
  'json',
])
const reportNames = /\.(?:xml|json)(?:\.gz)?$|\.zip$/i

export function recogniseReports(
  message: Uint8Array,
  letter: { from: string; receivedMs: number },
  limits: ReportLimits,
): Recognised {
  const found: Recognised = { reports: [], damage: [] }
  const parts = leavesOf(indexMessage(message).root).slice(0, limits.reportPartsMax)
  for (const part of parts) {
    try {
      const report = readPart(message, part, parts, letter, limits)
      if (report) found.reports.push(report)
    } catch (error) {
      if (!isErrorCode(error, 'report-damaged')) throw error
      found.damage.push(error.message)
    }
  }
  return found
}

function leavesOf(part: MimePart): MimePart[] {
  return part.type === 'multipart' ? part.children.flatMap(leavesOf) : [part]
}

function readPart(
  message: Uint8Array,
  part: MimePart,
  parts: readonly MimePart[],
  letter: { from: string; receivedMs: number },
  limits: ReportLimits,
): Report | undefined {
  const type = `${part.type}/${part.subtype}`
  if (type === 'message/feedback-report') {
    return readFeedbackReport(decodePart(message, part), originalHeader(message, parts), letter, limits)
  }
  const name = part.disposition?.parameters['filename'] ?? part.parameters['name'] ?? ''
  const claims = type === 'text/xml' || (part.type === 'application' && containers.has(part.subtype))
  const isSpecific = part.subtype.startsWith('tlsrpt') || reportNames.test(name)
  if (!claims || !isSpecific) return undefined
  const text = decodeText(unpacked(decodePart(message, part), limits.reportUnpackedBytesMax), 'utf-8')
  const start = text.replace(/^\ufeff/, '').trimStart()
  return start.startsWith('{') ? readTlsReport(start, limits) : readDmarcReport(start, limits)
}

/** Of the letter that feedback is about: the enclosed message, or its header alone. */
function originalHeader(message: Uint8Array, parts: readonly MimePart[]): Uint8Array {
  for (const part of parts) {
    const type = `${part.type}/${part.subtype}`
    if (type === 'message/rfc822' || type === 'message/global' || type === 'text/rfc822-headers')
      return decodePart(message, part)
  }
  return new Uint8Array(0)
}
