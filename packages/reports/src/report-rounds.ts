// Sends what was collected of days that are over, one domain after the other, spread over the first hours of the day.
// Promises: a day leaves the store when its report is in the queue or taken by its receiver, or nobody wants it; a receiver
// that does not answer is asked again, until the report is too old.
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type Clock, type DnsResolver, type Logger, type NodeId, sleep } from '@skein/runtime'
import { dayOf } from './day-book.ts'
import { type Destination, dmarcDestinations, tlsDestinations } from './destinations.ts'
import { type ReportHead, spanOf, writeDmarcReport } from './dmarc-report.ts'
import type { ReportLimits } from './limits.ts'
import type { CollectedDay, DayKey, ReportSender, ReportStore } from './ports.ts'
import { composeReportLetter } from './report-letter.ts'
import { writeTlsReport } from './tls-report.ts'

export interface ReportRoundsComponents {
  store: ReportStore
  sender: ReportSender
  dns: DnsResolver
  clock: Clock
  logger: Logger
}

export interface ReportIdentity {
  node: NodeId
  hostName: string
  /** The domain in whose name this node reports; undefined: none yet, nothing is sent. */
  organisation(): string | undefined
}

export interface RoundResult {
  sent: number
  /** Nobody asked for them, or they are too old. */
  dropped: number
  /** To be tried again. */
  failed: number
}

export class ReportRounds {
  readonly #parts: ReportRoundsComponents
  readonly #identity: ReportIdentity
  readonly #limits: ReportLimits

  constructor(components: ReportRoundsComponents, identity: ReportIdentity, limits: ReportLimits) {
    this.#parts = components
    this.#identity = identity
    this.#limits = limits
  }

  /** All days before today. @param spreadMs over which the letters of one round leave */
  async run(spreadMs: number, signal: AbortSignal): Promise<RoundResult> {
    const { store, clock, logger } = this.#parts
    const result: RoundResult = { sent: 0, dropped: 0, failed: 0 }
    const due: DayKey[] = []
    const today = dayOf(clock.nowMs())
    for await (const { kind, day, domain } of store.days()) if (day < today) due.push({ kind, day, domain })
    for (const key of due) {
      if (spreadMs > 0) await sleep(clock, spreadMs / due.length, signal)
      try {
        const outcome = await this.#tell(key, signal)
        result[outcome] += 1
        await store.removeDays([key])
      } catch (error) {
        if (signal.aborted) throw error
        result.failed += 1
        logger.info({ ...key, error: String(error) }, 'a report could not be sent now')
      }
    }
    return result
  }

  /** @throws whatever kept every destination from taking it */
  async #tell(key: DayKey, signal: AbortSignal): Promise<'sent' | 'dropped'> {
    const { store, dns, clock, logger } = this.#parts
    const organisation = this.#identity.organisation()
    const { beginMs, endMs } = spanOf(key.day)
    if (clock.nowMs() > endMs + this.#limits.reportSendWithinMs || organisation === undefined) return 'dropped'
    const day = await store.getDay(key)
    if (!day) return 'dropped'
    const { reportDestinationsMax } = this.#limits
    const destinations =
      day.kind === 'tls'
        ? await tlsDestinations(day.domain, dns, reportDestinationsMax)
        : await dmarcDestinations(day.domain, day.record, dns, reportDestinationsMax)
    if (destinations.length === 0) return 'dropped'
    const unique = createHash('sha256')
      .update(`${this.#identity.node} ${day.kind} ${day.day} ${day.domain}`)
      .digest('hex')
    const head: ReportHead = {
      organisation,
      email: `postmaster@${organisation}`,
      reportId: `${day.day}.${unique.slice(0, 20)}@${organisation}`,
      beginMs,
      endMs,
    }
    const report = gzipSync(day.kind === 'tls' ? writeTlsReport(head, day) : writeDmarcReport(head, day))
    const failures: unknown[] = []
    let taken = 0
    for (const destination of destinations) {
      if (report.length > Math.min(destination.bytesMax, this.#limits.reportBytesMax)) {
        logger.info({ ...key, to: destination.to, bytes: report.length }, 'a report is larger than its receiver takes')
        continue
      }
      try {
        await this.#send(destination, day, head, report, signal)
        taken += 1
      } catch (error) {
        failures.push(error)
      }
    }
    if (taken === 0 && failures.length > 0) throw failures[0]
    return taken > 0 ? 'sent' : 'dropped'
  }

  #send(
    destination: Destination,
    day: CollectedDay,
    head: ReportHead,
    report: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { sender, clock } = this.#parts
    if (destination.kind === 'https') return sender.post(destination.to, report, 'application/tlsrpt+gzip', signal)
    const name = head.reportId.slice(0, head.reportId.indexOf('@'))
    const place = createHash('sha256').update(destination.to).digest('hex').slice(0, 8)
    const messageId = `report.${name}.${place}@${this.#identity.hostName}`
    const bytes = composeReportLetter({
      kind: day.kind,
      domain: day.domain,
      organisation: head.organisation,
      from: head.email,
      to: destination.to,
      reportId: head.reportId,
      messageId,
      nowMs: clock.nowMs(),
      beginS: Math.floor(head.beginMs / 1000),
      endS: Math.floor(head.endMs / 1000),
      report,
    })
    return sender.mail({ to: destination.to, bytes, messageId })
  }
}
