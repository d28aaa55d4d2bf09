// skein report: what other mail systems say about our domains, and what waits to be said about theirs.
import type { ReceivedReport } from '@skein/reports'
import type { Command } from 'commander'
import { contextOf } from './command-context.ts'
import { formatTime, table } from './output.ts'

interface Pending {
  days: { node: string; kind: string; day: string; domain: string; count: number; failing: number }[]
  silent: string[]
}

const silentNote = (silent: readonly string[]) =>
  silent.length > 0 ? `(not asked, because not reachable: ${silent.join(', ')})` : ''

export function addReportCommands(program: Command): void {
  const report = program
    .command('report')
    .description('DMARC, TLS and abuse reports: what others say about our domains, and what is said about theirs')

  report
    .command('list')
    .description('reports that came in at any node, newest first')
    .option('--kind <kind>', 'dmarc, tls or abuse')
    .option('--domain <domain>', 'the domain reported on')
    .option('--days <number>', 'how far back', '30')
    .action(async (options: { kind?: string; domain?: string; days: string }, command: Command) => {
      const { ask, output } = contextOf(command)
      const found = (await ask('report.list', { ...options, days: Number(options.days) })) as {
        reports: (ReceivedReport & { node: string })[]
        silent: string[]
      }
      output.result(found, () => {
        const rows = found.reports.map((one) => [
          one.id,
          formatTime(one.receivedMs),
          one.node,
          one.kind,
          one.domain,
          one.organisation,
          outcomeOf(one),
          one.vouchedBy.join(' ') || 'nobody',
        ])
        const head = ['ID', 'CAME', 'AT', 'KIND', 'ABOUT', 'FROM', 'SAYS', 'VOUCHED FOR BY']
        const text = rows.length === 0 ? 'no reports' : table(head, rows)
        return [text, silentNote(found.silent)].filter((line) => line !== '').join('\n')
      })
    })

  report
    .command('show')
    .description('one report, row by row')
    .argument('<id>')
    .action(async (id: string, _options, command: Command) => {
      const { ask, output } = contextOf(command)
      const found = (await ask('report.show', { id })) as ReceivedReport
      output.result(found, () => describe(found))
    })

  report
    .command('pending')
    .description('what this mesh has seen of other domains and will tell those that ask for it')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const found = (await ask('report.pending')) as Pending
      output.result(found, () => {
        const rows = found.days.map((day) => [
          day.day,
          day.kind,
          day.domain,
          String(day.count),
          String(day.failing),
          day.node,
        ])
        const text =
          rows.length === 0 ? 'nothing was collected' : table(['DAY', 'KIND', 'DOMAIN', 'COUNT', 'FAILING', 'AT'], rows)
        return [text, silentNote(found.silent)].filter((line) => line !== '').join('\n')
      })
    })

  report
    .command('send')
    .description('tell all days before today now, instead of by and by')
    .action(async (_options, command: Command) => {
      const { ask, output } = contextOf(command)
      const result = (await ask('report.send')) as { sent: number; dropped: number; failed: number }
      output.result(
        result,
        () => `${result.sent} sent, ${result.dropped} that nobody asked for, ${result.failed} to be tried again`,
      )
    })
}

function outcomeOf(report: ReceivedReport): string {
  if (report.kind === 'dmarc') return `${report.letters} letters, ${report.failing} failing`
  if (report.kind === 'tls') return `${report.sessions} sessions, ${report.failing} failing`
  return `${report.feedbackType}: ${report.subject}`
}

function describe(report: ReceivedReport): string {
  const head = [
    `${report.kind} report ${report.reportId || report.id} about ${report.domain} from ${report.organisation}`,
    `from ${formatTime(report.beginMs)} to ${formatTime(report.endMs)}; vouched for by ${report.vouchedBy.join(', ') || 'nobody'}`,
    '',
  ].join('\n')
  if (report.kind === 'abuse') {
    const trace = report.originalMessageId === '' ? '' : `\nskein trace '${report.originalMessageId}' tells its story`
    return `${head}${report.feedbackType} from ${report.sourceIp}: "${report.subject}", ${report.originalFrom} to ${report.originalTo.join(', ')}${trace}`
  }
  if (report.kind === 'tls') {
    const rows = report.rows.flatMap(({ policyType, successes, failures, details }) => [
      [policyType, String(successes), String(failures), '', ''],
      ...details.map((one) => [
        '',
        '',
        String(one.sessions),
        one.type,
        [one.receivingMx, one.reason].filter(Boolean).join(': '),
      ]),
    ])
    return head + table(['POLICY', 'GOOD', 'FAILED', 'WHY', 'WHERE'], rows)
  }
  const rows = report.rows.map((row) => [
    row.sourceIp,
    String(row.count),
    row.disposition,
    row.dkimAligned ? 'pass' : 'fail',
    row.spfAligned ? 'pass' : 'fail',
    row.headerFrom,
    row.reasons.join('; '),
  ])
  return head + table(['ADDRESS', 'LETTERS', 'DONE', 'DKIM', 'SPF', 'FROM', 'BECAUSE'], rows)
}
