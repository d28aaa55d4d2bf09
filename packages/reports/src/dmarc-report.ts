// DMARC aggregate reports (RFC 9990 §3.1): written for owners of other domains, read from others about ours. What the older
// RFC 7489 wrote is read as well.
import { xmlElement } from '@skein/mail'
import type { ReportLimits } from './limits.ts'
import { damagedReport } from './packed.ts'
import type { DmarcDay, DmarcReport, DmarcRow } from './ports.ts'
import { type XmlElement, childrenOf, parseXml, textOf } from './xml-tree.ts'

export interface ReportHead {
  /** Who writes it, and how to reach them. */
  organisation: string
  email: string
  reportId: string
  beginMs: number
  endMs: number
}

const dayMs = 24 * 3600_000

/** When a day begins, and its last second. */
export function spanOf(day: string): { beginMs: number; endMs: number } {
  const beginMs = Date.parse(`${day}T00:00:00Z`)
  return { beginMs, endMs: beginMs + dayMs - 1000 }
}

/** Of a DMARC record: its tags, by name in lower case. */
export function tagsOf(record: string): Map<string, string> {
  const tags = new Map<string, string>()
  for (const part of record.split(';')) {
    const at = part.indexOf('=')
    if (at > 0) tags.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim())
  }
  return tags
}

/** Lines end in LF; the whole document, as XML in UTF-8. */
export function writeDmarcReport(head: ReportHead, day: DmarcDay): string {
  const tags = tagsOf(day.record)
  const published = ['p', 'sp', 'np', 'adkim', 'aspf', 'fo'].flatMap((name) => {
    const value = tags.get(name)
    return value === undefined ? [] : [xmlElement(name, value)]
  })
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">',
    xmlElement('version', '1.0'),
    '<report_metadata>',
    xmlElement('org_name', head.organisation),
    xmlElement('email', head.email),
    xmlElement('report_id', head.reportId),
    `<date_range>${xmlElement('begin', seconds(head.beginMs))}${xmlElement('end', seconds(head.endMs))}</date_range>`,
    xmlElement('generator', 'Skein'),
    '</report_metadata>',
    '<policy_published>',
    xmlElement('domain', day.domain),
    xmlElement('discovery_method', 'treewalk'),
    ...published,
    xmlElement('testing', tags.get('t') === 'y' ? 'y' : 'n'),
    '</policy_published>',
    ...day.rows.map(recordOf),
    '</feedback>',
    '',
  ]
  return lines.join('\n')
}

function recordOf(row: DmarcRow): string {
  const passed = row.dkimAligned || row.spfAligned
  // RFC 9990 §3.1.1.6: `pass` where the letter passed, else what was done with it.
  const disposition = passed ? 'pass' : row.disposition
  const reason =
    row.overrideReason === ''
      ? ''
      : `<reason>${xmlElement('type', row.overrideReason)}${xmlElement('comment', row.overrideComment)}</reason>`
  const dkim = row.dkim.map(
    (one) =>
      `<dkim>${xmlElement('domain', one.domain)}${xmlElement('selector', one.selector)}${xmlElement('result', one.result)}${one.humanResult === '' ? '' : xmlElement('human_result', one.humanResult)}</dkim>`,
  )
  // Only the sender's domain counts for DMARC (RFC 9989); what HELO said is not told.
  const spf =
    row.spf?.scope === 'mfrom'
      ? `<spf>${xmlElement('domain', row.spf.domain)}${xmlElement('scope', 'mfrom')}${xmlElement('result', row.spf.result)}</spf>`
      : ''
  return [
    '<record>',
    `<row>${xmlElement('source_ip', row.sourceIp)}${xmlElement('count', row.count)}<policy_evaluated>${xmlElement('disposition', disposition)}` +
      `${xmlElement('dkim', row.dkimAligned ? 'pass' : 'fail')}${xmlElement('spf', row.spfAligned ? 'pass' : 'fail')}${reason}</policy_evaluated></row>`,
    `<identifiers>${xmlElement('header_from', row.headerFrom)}${xmlElement('envelope_from', row.envelopeFrom)}${xmlElement('envelope_to', row.envelopeTo)}</identifiers>`,
    `<auth_results>${dkim.join('')}${spf}</auth_results>`,
    '</record>',
  ].join('\n')
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

/** @throws SkeinError `report-damaged` */
export function readDmarcReport(document: string, limits: ReportLimits): DmarcReport {
  const feedback = parseXml(document, limits)
  const [metadata] = childrenOf(feedback, 'report_metadata')
  const [published] = childrenOf(feedback, 'policy_published')
  const domain = textOf(published, 'domain').toLowerCase().replace(/\.$/, '')
  if (feedback.name !== 'feedback' || !metadata || domain === '') throw damagedReport('this XML is no DMARC report')
  const [range] = childrenOf(metadata, 'date_range')
  const report: DmarcReport = {
    kind: 'dmarc',
    organisation: textOf(metadata, 'org_name'),
    reportId: textOf(metadata, 'report_id'),
    domain,
    beginMs: secondsOf(textOf(range, 'begin')) * 1000,
    endMs: secondsOf(textOf(range, 'end')) * 1000,
    policy: Object.fromEntries(
      (published?.children ?? [])
        .filter(({ name }) => name !== 'domain')
        .slice(0, 20)
        .map(({ name, text }) => [name, text.trim()]),
    ),
    letters: 0,
    failing: 0,
    rows: [],
  }
  for (const record of childrenOf(feedback, 'record')) {
    const row = rowOf(record)
    report.letters += row.count
    if (!row.dkimAligned && !row.spfAligned) report.failing += row.count
    if (report.rows.length < limits.receivedRowsMax) report.rows.push(row)
  }
  return report
}

function rowOf(record: XmlElement): DmarcReport['rows'][number] {
  const [row] = childrenOf(record, 'row')
  const [evaluated] = childrenOf(row, 'policy_evaluated')
  const [identifiers] = childrenOf(record, 'identifiers')
  const [results] = childrenOf(record, 'auth_results')
  return {
    sourceIp: textOf(row, 'source_ip'),
    count: secondsOf(textOf(row, 'count')),
    disposition: textOf(evaluated, 'disposition').toLowerCase(),
    dkimAligned: textOf(evaluated, 'dkim').toLowerCase() === 'pass',
    spfAligned: textOf(evaluated, 'spf').toLowerCase() === 'pass',
    headerFrom: textOf(identifiers, 'header_from').toLowerCase(),
    envelopeFrom: textOf(identifiers, 'envelope_from').toLowerCase(),
    reasons: childrenOf(evaluated, 'reason')
      .slice(0, 10)
      .map((reason) => [textOf(reason, 'type'), textOf(reason, 'comment')].filter((text) => text !== '').join(': ')),
    dkim: childrenOf(results, 'dkim')
      .slice(0, 20)
      .map((one) => ({
        domain: textOf(one, 'domain'),
        selector: textOf(one, 'selector'),
        result: textOf(one, 'result'),
      })),
    spf: childrenOf(results, 'spf')
      .slice(0, 5)
      .map((one) => ({ domain: textOf(one, 'domain'), result: textOf(one, 'result') })),
  }
}

/** A whole number from 0 on; whatever is none counts as 0. */
function secondsOf(text: string): number {
  const value = Number(text)
  return Number.isSafeInteger(Math.floor(value)) && value >= 0 && value < 1e11 ? Math.floor(value) : 0
}
