// The reports of one node: what it sees of others is collected and told to them, what others tell about our domains is read
// and kept. Promises: nothing here holds up a letter; what can't be read or sent is logged and passed over.
import { type Clock, type DnsResolver, type Logger, type Timer, isErrorCode } from '@skein/runtime'
import { DayBook, dayOf } from './day-book.ts'
import { type ReportLimits, reportLimits } from './limits.ts'
import type { CollectedDay, DmarcJournal, ReceivedReport, ReportSender, ReportStore, TlsJournal } from './ports.ts'
import { recogniseReports } from './recognise.ts'
import { type ReportIdentity, ReportRounds, type RoundResult } from './report-rounds.ts'

export interface ReportsComponents {
  store: ReportStore
  sender: ReportSender
  dns: DnsResolver
  clock: Clock
  logger: Logger
}

export interface ReportsSettings extends Partial<ReportLimits>, ReportIdentity {
  /** Whether collected days are told to those who ask for them; if not, nothing is collected. */
  send: boolean
}

/** A letter that came to an address for reports. */
export interface ReportingLetter {
  /** Queue id. */
  id: string
  /** Envelope sender. */
  from: string
  receivedMs: number
  vouchedBy: readonly string[]
  bytes: Uint8Array
}

export interface ReceivedQuery {
  kind?: ReceivedReport['kind'] | undefined
  domain?: string | undefined
  /** Received at or after. */
  sinceMs?: number | undefined
  countMax: number
}

export interface Reports {
  readonly tls: TlsJournal
  readonly dmarc: DmarcJournal
  /** @returns the reports that were found; durable when it resolves */
  read(letter: ReportingLetter): Promise<ReceivedReport[]>
  /** Newest first. */
  received(query: ReceivedQuery): Promise<ReceivedReport[]>
  get(id: string): Promise<ReceivedReport | undefined>
  /** What waits to be told, today's included. */
  collected(countMax: number): Promise<CollectedDay[]>
  /** Tells all days before today at once. */
  sendNow(): Promise<RoundResult>
  start(): Promise<void>
  stop(): Promise<void>
}

export function createReports(components: ReportsComponents, settings: ReportsSettings): Reports {
  const { store, clock, logger } = components
  const { send, node, hostName, organisation, ...given } = settings
  const limits: ReportLimits = { ...reportLimits, ...given }
  const book = new DayBook(store, logger, limits)
  const rounds = new ReportRounds(components, { node, hostName, organisation }, limits)
  const stopping = new AbortController()
  const running = new Set<Promise<unknown>>()
  let timer: Timer | undefined
  let nextRoundMs = 0
  let isSending = false

  const today = () => dayOf(clock.nowMs())

  function inBackground(work: Promise<unknown>, failure: string): void {
    const done = work
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ error: String(error) }, failure)
      })
      .finally(() => running.delete(done))
    running.add(done)
  }

  function schedule(): void {
    timer = clock.setTimer(limits.reportFlushMs, () => {
      inBackground(book.flush(today()), 'what was collected for reports could not be written')
      if (send && !isSending && clock.nowMs() >= nextRoundMs) {
        inBackground(sendOver(limits.reportSpreadMs), 'a round of reports broke off')
      }
      schedule()
    })
  }

  async function sendOver(spreadMs: number): Promise<RoundResult> {
    isSending = true
    try {
      const result = await rounds.run(spreadMs, stopping.signal)
      if (result.sent + result.failed > 0) logger.info({ ...result }, 'reports of past days were sent')
      const tomorrowMs = Date.parse(`${today()}T00:00:00Z`) + 24 * 3600_000
      nextRoundMs = result.failed > 0 ? clock.nowMs() + limits.reportRetryMs : tomorrowMs
      await tidy()
      return result
    } finally {
      isSending = false
    }
  }

  async function tidy(): Promise<void> {
    const old: string[] = []
    let count = 0
    for await (const { id, receivedMs } of store.received()) {
      count += 1
      if (count > limits.receivedReportsMax || receivedMs < clock.nowMs() - limits.receivedKeepMs) old.push(id)
    }
    if (old.length > 0) await store.removeReceived(old)
  }

  return {
    tls: { note: (result) => (send ? book.noteTls(result) : undefined) },
    dmarc: { note: (evaluation) => (send ? book.noteDmarc(evaluation) : undefined) },
    async read({ id, from, receivedMs, vouchedBy, bytes }) {
      if (bytes.length > limits.reportLetterBytesMax) return []
      const { reports, damage } = recogniseReports(bytes, { from, receivedMs }, limits)
      for (const text of damage) logger.info({ queueId: id, from, text }, 'a report could not be read')
      const received = reports.map((report, index): ReceivedReport => ({
        ...report,
        id: index === 0 ? id : `${id}.${index}`,
        receivedMs,
        vouchedBy: [...vouchedBy],
      }))
      for (const report of received) await store.putReceived(report)
      return received
    },
    async received({ kind, domain, sinceMs = 0, countMax }) {
      const found: ReceivedReport[] = []
      for await (const report of store.received()) {
        if (report.receivedMs < sinceMs || found.length >= countMax) break
        if ((kind === undefined || report.kind === kind) && (domain === undefined || report.domain === domain))
          found.push(report)
      }
      return found
    },
    get: (id) => store.getReceived(id),
    async collected(countMax) {
      await book.flush(today())
      const found: CollectedDay[] = []
      for await (const day of store.days()) if (found.length < countMax) found.push(day)
      return found
    },
    async sendNow() {
      await book.flush(today())
      return sendOver(0)
    },
    async start() {
      await book.load(today())
      schedule()
    },
    async stop() {
      timer?.cancel()
      stopping.abort()
      await Promise.all(running)
      try {
        await book.flush(today())
      } catch (error) {
        if (!isErrorCode(error, 'database-closed')) logger.warn({ error: String(error) }, 'collected reports were lost')
      }
    },
  }
}
