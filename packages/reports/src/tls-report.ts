// TLS reports (RFC 8460 §4): written for owners of other domains, read from others about ours.
import type { ReportHead } from './dmarc-report.ts'
import type { ReportLimits } from './limits.ts'
import { damagedReport } from './packed.ts'
import type { TlsDay, TlsReport } from './ports.ts'

export function writeTlsReport(head: ReportHead, day: TlsDay): string {
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  return JSON.stringify({
    'organization-name': head.organisation,
    'date-range': { 'start-datetime': stamp(head.beginMs), 'end-datetime': stamp(head.endMs) },
    'contact-info': head.email,
    'report-id': head.reportId,
    policies: day.policies.map(({ policy, successes, failures }) => ({
      policy: {
        'policy-type': policy.type,
        ...(policy.strings.length > 0 && { 'policy-string': policy.strings }),
        'policy-domain': day.domain,
        ...(policy.mxPatterns.length > 0 && { 'mx-host': policy.mxPatterns }),
      },
      summary: {
        'total-successful-session-count': successes,
        'total-failure-session-count': sum(failures.map(({ sessions }) => sessions)),
      },
      ...(failures.length > 0 && {
        'failure-details': failures.map((failure) => ({
          'result-type': failure.type,
          ...(failure.sendingIp !== '' && { 'sending-mta-ip': failure.sendingIp }),
          ...(failure.receivingMx !== '' && { 'receiving-mx-hostname': failure.receivingMx }),
          ...(failure.receivingIp !== '' && { 'receiving-ip': failure.receivingIp }),
          'failed-session-count': failure.sessions,
          ...(failure.reason !== '' && { 'failure-reason-code': failure.reason }),
        })),
      }),
    })),
  })
}

function stamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** @throws SkeinError `report-damaged` */
export function readTlsReport(document: string, limits: ReportLimits): TlsReport {
  let value: unknown
  try {
    value = JSON.parse(document)
  } catch (cause) {
    throw damagedReport('the TLS report is no JSON', cause)
  }
  const text = (of: unknown) => (typeof of === 'string' ? of.slice(0, limits.reportTextCharactersMax) : '')
  const root = fieldsOf(value)
  const policies = listOf(root['policies'])
  const first = fieldsOf(fieldsOf(policies[0])['policy'])
  const domain = text(first['policy-domain']).toLowerCase().replace(/\.$/, '')
  if (policies.length === 0 || domain === '') throw damagedReport('this JSON is no TLS report')
  const range = fieldsOf(root['date-range'])
  const report: TlsReport = {
    kind: 'tls',
    organisation: text(root['organization-name']),
    reportId: text(root['report-id']),
    domain,
    beginMs: Date.parse(text(range['start-datetime'])) || 0,
    endMs: Date.parse(text(range['end-datetime'])) || 0,
    sessions: 0,
    failing: 0,
    rows: [],
  }
  let rows = 0
  for (const one of policies) {
    const { policy, summary, 'failure-details': details } = fieldsOf(one)
    const successes = countOf(fieldsOf(summary)['total-successful-session-count'])
    const failures = countOf(fieldsOf(summary)['total-failure-session-count'])
    report.sessions += successes + failures
    report.failing += failures
    const listed = listOf(details).slice(0, Math.max(0, limits.receivedRowsMax - rows))
    rows += listed.length + 1
    if (rows > limits.receivedRowsMax + 1) continue
    report.rows.push({
      policyType: text(fieldsOf(policy)['policy-type']),
      successes,
      failures,
      details: listed.map((detail) => {
        const fields = fieldsOf(detail)
        return {
          type: text(fields['result-type']),
          receivingMx: text(fields['receiving-mx-hostname']),
          sendingIp: text(fields['sending-mta-ip']),
          sessions: countOf(fields['failed-session-count']),
          reason: text(fields['failure-reason-code']) || text(fields['additional-information']),
        }
      }),
    })
  }
  return report
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}
