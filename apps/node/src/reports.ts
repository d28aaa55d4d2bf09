// Reports of this node: where they are kept, how they leave, and which letters are looked at for reports of others.
import { type Delivery, type QueueItem } from '@skein/delivery'
import { parseHeaderFields, splitAddress, stripSubaddress, unfold } from '@skein/mail'
import type { MessageLog } from '@skein/mailboxes'
import type { Ledger } from '@skein/replication'
import { type ReportSender, type Reports, createReports } from '@skein/reports'
import { type DnsResolver, type Logger, systemClock as clock } from '@skein/runtime'
import { type Database, createReportStore } from '@skein/storage'
import type { Config } from './config.ts'
import { skeinVersion } from './version.ts'

export interface NodeReportsParts {
  config: Config
  database: Database
  log: MessageLog
  ledger: Ledger
  dns: DnsResolver
  hostName: string
  logger: Logger
  post: Delivery['post']
}

export interface NodeReports {
  reports: Reports
  /** To be told of every letter from outside that this node has taken. */
  accepted(item: QueueItem): void
}

const postTimeoutMs = 60_000
const letterBytesMax = 25 * 1024 * 1024
/** Where `skein dns` asks for reports, and where people have them sent (RFC 2142 §4 for `abuse`). */
const reportNames = /^(?:postmaster|abuse|fbl|(?:dmarc|tls-?rpt|tls-reports)[a-z0-9._-]*)$/

export function openReports(parts: NodeReportsParts): NodeReports {
  const { config, database, log, ledger, dns, hostName, post } = parts
  const logger = parts.logger.child({ part: 'reports' })
  const { directory } = ledger
  const sender: ReportSender = {
    async mail({ to, bytes, messageId }) {
      // RFC 9990 §3.5.2, RFC 8460 §5.3: nobody is to be told when a report does not arrive.
      await post({ from: '', to: [to], bytes, messageId })
    },
    async post(url, body, contentType, signal) {
      const response = await fetch(url, {
        method: 'POST',
        body: Uint8Array.from(body),
        headers: { 'content-type': contentType, 'user-agent': `Skein/${skeinVersion}` },
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(postTimeoutMs)]),
      })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    },
  }
  const organisation = () =>
    directory
      .domains()
      .map(({ name }) => name)
      .sort()[0]
  const reports = createReports(
    { store: createReportStore(database), sender, dns, clock, logger },
    { send: config.reports.send, node: ledger.self, hostName, organisation },
  )

  function isForReports(address: string): boolean {
    const { local, domain } = splitAddress(address)
    return directory.domain(domain) !== undefined && reportNames.test(stripSubaddress(local.toLowerCase()).base)
  }

  async function look(item: QueueItem): Promise<void> {
    const bytes = await log.read(item.blob)
    const vouchedBy = vouchedDomains(bytes, hostName)
    const { id, from, receivedMs } = item
    for (const report of await reports.read({ id, from, receivedMs, vouchedBy, bytes })) {
      logger.info(
        { id: report.id, kind: report.kind, from: report.organisation, domain: report.domain },
        'a report came in',
      )
    }
  }

  return {
    reports,
    accepted(item) {
      if (item.source.kind !== 'smtp' || item.size > letterBytesMax) return
      if (!item.recipients.some(({ original }) => isForReports(original))) return
      look(item).catch((error: unknown) => {
        logger.warn({ queueId: item.id, error: String(error) }, 'a letter could not be looked at for reports')
      })
    },
  }
}

/** Domains for which this node found a good signature or SPF, as it wrote on top of the letter. */
export function vouchedDomains(message: Uint8Array, hostName: string): string[] {
  const text = Buffer.from(message.buffer, message.byteOffset, message.length)
  for (const field of parseHeaderFields(message)) {
    if (field.lower !== 'authentication-results') continue
    const [authority = '', ...results] = unfold(text.toString('latin1', field.valueStart, field.end)).split(';')
    if (authority.trim().toLowerCase() !== hostName.toLowerCase()) return []
    const domains = results.flatMap((result) => {
      const found = /^\s*(?:dkim=pass\b.*\bheader\.d=|spf=pass\b.*\bsmtp\.mailfrom=)(?:[^\s@]*@)?([^\s;@"]+)/i.exec(
        result,
      )
      return found?.[1] === undefined ? [] : [found[1].toLowerCase()]
    })
    return [...new Set(domains)]
  }
  return []
}
