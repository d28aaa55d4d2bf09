// Counts what the house tells for reports, by day (UTC) and domain: alike sessions and letters are one row with a number.
// Promises: noting never waits and never throws; memory is bounded; a day is on the disk a minute later, and after `flush`.
import type { Logger } from '@skein/runtime'
import type { ReportLimits } from './limits.ts'
import type {
  CollectedDay,
  Day,
  DmarcDay,
  DmarcEvaluation,
  DmarcRow,
  ReportStore,
  TlsDay,
  TlsPolicyCount,
  TlsSessionResult,
} from './ports.ts'

export function dayOf(ms: number): Day {
  return new Date(ms).toISOString().slice(0, 10)
}

interface OpenDay<Record extends CollectedDay> {
  record: Record
  /** Rows by what makes them alike. */
  rows: Map<string, { count(): void }>
  isChanged: boolean
}

export class DayBook {
  readonly #store: ReportStore
  readonly #logger: Logger
  readonly #limits: ReportLimits
  readonly #tls = new Map<string, OpenDay<TlsDay>>()
  readonly #dmarc = new Map<string, OpenDay<DmarcDay>>()
  #turnedAway = 0

  constructor(store: ReportStore, logger: Logger, limits: ReportLimits) {
    this.#store = store
    this.#logger = logger
    this.#limits = limits
  }

  /** Goes on with what an earlier run of the node has kept of `today`. */
  async load(today: Day): Promise<void> {
    for await (const record of this.#store.days()) {
      if (record.day !== today) continue
      if (record.kind === 'tls') this.#tls.set(record.domain, reopenTls(record))
      else this.#dmarc.set(record.domain, reopenDmarc(record))
    }
  }

  noteTls(result: TlsSessionResult): void {
    const day = dayOf(result.atMs)
    const open = this.#open(this.#tls, result.policyDomain, day, () => ({
      record: { kind: 'tls', day, domain: result.policyDomain, policies: [] },
      rows: new Map(),
      isChanged: false,
    }))
    if (open) this.#count(open, tlsKey(result), () => addTls(open.record, result))
  }

  noteDmarc(evaluation: DmarcEvaluation): void {
    const { policyDomain: domain, record, atMs, ...row } = evaluation
    const day = dayOf(atMs)
    const open = this.#open(this.#dmarc, domain, day, () => ({
      record: { kind: 'dmarc', day, domain, record, rows: [] },
      rows: new Map(),
      isChanged: false,
    }))
    if (!open) return
    open.record.record = record
    this.#count(open, dmarcKey(row), () => {
      const added: DmarcRow = { ...row, count: 0 }
      open.record.rows.push(added)
      return { count: () => (added.count += 1) }
    })
  }

  /** The day's record of that domain; the one of a day before is handed to the store first. */
  #open<Kind extends CollectedDay>(
    book: Map<string, OpenDay<Kind>>,
    domain: string,
    day: Day,
    begin: () => OpenDay<Kind>,
  ): OpenDay<Kind> | undefined {
    const before = book.get(domain)
    if (before?.record.day === day) return before
    if (before) this.#put([before.record])
    else if (book.size >= this.#limits.domainsPerDayMax) {
      this.#turnedAway += 1
      return undefined
    }
    const open = begin()
    book.set(domain, open)
    return open
  }

  #count<Kind extends CollectedDay>(open: OpenDay<Kind>, key: string, add: () => { count(): void }): void {
    let row = open.rows.get(key)
    if (!row) {
      if (open.rows.size >= this.#limits.rowsPerDomainDayMax) {
        this.#turnedAway += 1
        return
      }
      row = add()
      open.rows.set(key, row)
    }
    row.count()
    open.isChanged = true
  }

  #put(days: CollectedDay[]): void {
    this.#store.putDays(days).catch((error: unknown) => {
      this.#logger.warn({ error: String(error) }, 'what was collected for reports could not be written')
    })
  }

  /** Writes what has changed, and lets go of days that are over. */
  async flush(today: Day): Promise<void> {
    const changed: CollectedDay[] = []
    for (const book of [this.#tls, this.#dmarc]) {
      for (const [domain, open] of book) {
        if (open.isChanged) changed.push(open.record)
        open.isChanged = false
        if (open.record.day < today) book.delete(domain)
      }
    }
    if (changed.length > 0) await this.#store.putDays(changed)
    if (this.#turnedAway > 0) {
      this.#logger.warn({ count: this.#turnedAway }, 'more kinds of sessions or letters than a report may have')
      this.#turnedAway = 0
    }
  }
}

function tlsKey({ policy, receivingMx, receivingIp, sendingIp, result, failureReason }: TlsSessionResult): string {
  const outcome = result === 'success' ? [] : [result, receivingMx, receivingIp, sendingIp, failureReason]
  return JSON.stringify([policy.type, policy.strings, policy.mxPatterns, ...outcome])
}

function addTls(record: TlsDay, session: TlsSessionResult): { count(): void } {
  const { policy, receivingMx, receivingIp, sendingIp, result, failureReason: reason } = session
  let counted = record.policies.find((one) => isSamePolicy(one, policy))
  if (!counted) {
    counted = { policy, successes: 0, failures: [] }
    record.policies.push(counted)
  }
  return countedIn(
    counted,
    result === 'success' ? undefined : { type: result, receivingMx, receivingIp, sendingIp, reason, sessions: 0 },
  )
}

function countedIn(policy: TlsPolicyCount, failure: TlsPolicyCount['failures'][number] | undefined): { count(): void } {
  if (!failure) return { count: () => (policy.successes += 1) }
  if (!policy.failures.includes(failure)) policy.failures.push(failure)
  return { count: () => (failure.sessions += 1) }
}

function isSamePolicy({ policy }: TlsPolicyCount, other: TlsSessionResult['policy']): boolean {
  const textOf = ({ type, strings, mxPatterns }: TlsSessionResult['policy']) =>
    JSON.stringify([type, strings, mxPatterns])
  return textOf(policy) === textOf(other)
}

function reopenTls(record: TlsDay): OpenDay<TlsDay> {
  const rows = new Map<string, { count(): void }>()
  for (const counted of record.policies) {
    const { policy } = counted
    const session = {
      atMs: 0,
      policyDomain: record.domain,
      policy,
      receivingMx: '',
      receivingIp: '',
      sendingIp: '',
      failureReason: '',
    }
    rows.set(tlsKey({ ...session, result: 'success' }), countedIn(counted, undefined))
    for (const failure of counted.failures) {
      const { type: result, reason: failureReason, ...place } = failure
      rows.set(tlsKey({ ...session, ...place, result, failureReason }), countedIn(counted, failure))
    }
  }
  return { record, rows, isChanged: false }
}

function dmarcKey(row: Omit<DmarcRow, 'count'>): string {
  const { sourceIp, headerFrom, envelopeFrom, envelopeTo, disposition, dkimAligned, spfAligned, dkim, spf } = row
  const { overrideReason, overrideComment } = row
  const results = [
    ...dkim.map(({ domain, selector, result }) => [domain, selector, result]),
    spf?.domain,
    spf?.scope,
    spf?.result,
  ]
  return JSON.stringify([
    [sourceIp, headerFrom, envelopeFrom, envelopeTo, disposition, dkimAligned, spfAligned],
    [overrideReason, overrideComment],
    results,
  ])
}

function reopenDmarc(record: DmarcDay): OpenDay<DmarcDay> {
  const rows = new Map(record.rows.map((row) => [dmarcKey(row), { count: () => (row.count += 1) }] as const))
  return { record, rows, isChanged: false }
}
