// Checks everything that an account's mailboxes are made of, for `skein check`: every record readable, every message's
// bytes there with the right CRCs and size, all counts exact. With `repair`, counts and parsed indexes are made again
// from the messages; what can't be made again (lost bytes) stays, and stays reported.
import { indexMessage } from '@skein/mail'
import type { AccountMailboxState, BlobRef, MailboxRecord, MessageLog, MessageRecord } from '@skein/mailboxes'
import { type Clock, isErrorCode } from '@skein/runtime'
import { type Database, type DatabaseOp, type DatabaseReader, afterPrefix } from './database.ts'
import { decodeInfo, decodeJournalEntry, decodeMailbox } from './mailbox-records.ts'
import { decodeState, encodeInfo, encodeMailbox, encodeState } from './mailbox-records.ts'
import { mailboxKeys } from './mailbox-store.ts'
import { sharingProblems } from './sharing-check.ts'
import { mailboxesWithMessages, readDeltas, readMailboxMessages } from './message-pages.ts'

export interface StoreCheckComponents {
  database: Database
  log: MessageLog
  clock: Clock
}

export interface StoreCheckOptions {
  repair?: boolean
  /**
   * With `repair` on a store that is in use: runs a task while nothing else writes that account's records, as
   * `createMailboxes(…).repair` does. Default: just runs it.
   */
  exclusively?: (accountId: string, task: () => Promise<void>) => Promise<void>
  /** Problems that are listed; all are counted. */
  problemsMax?: number
}

export type StoreProblemCode =
  | 'state-missing'
  | 'record-damaged'
  | 'mailbox-missing'
  | 'message-unreadable'
  | 'size-wrong'
  | 'uid-above-next'
  | 'modseq-above-newest'
  | 'counts-wrong'
  | 'used-bytes-wrong'
  | 'journal-gap'
  | 'info-damaged'
  | 'reader-counts-wrong'
  | 'share-index-wrong'
  | 'stray-records'

export interface StoreProblem {
  code: StoreProblemCode
  accountId: string
  /** One sentence. */
  text: string
  repaired: boolean
}

export interface StoreCheckReport {
  accounts: number
  mailboxes: number
  messages: number
  bytes: number
  /** The first ones; `problemCount` has all. */
  problems: StoreProblem[]
  problemCount: number
  repairedCount: number
  durationMs: number
}

export const storeCheckLimits = { problemsMax: 1000, opsPerRepair: 500 } as const

export async function checkStore(
  components: StoreCheckComponents,
  options: StoreCheckOptions = {},
): Promise<StoreCheckReport> {
  const { clock, database } = components
  const started = clock.monotonicMs()
  const report = emptyReport()
  for await (const accountId of accountIds(database)) {
    await checkAccount(components, options, report, accountId)
  }
  report.durationMs = Math.round(clock.monotonicMs() - started)
  return report
}

/** Looks first, at one moment of the account; only where there is something to repair is the account held still. */
async function checkAccount(
  components: StoreCheckComponents,
  options: StoreCheckOptions,
  total: StoreCheckReport,
  accountId: string,
): Promise<void> {
  const { database } = components
  const look = (repair: boolean): Promise<StoreCheckReport> =>
    database.atOneMoment(async (reader) => {
      const report = emptyReport()
      report.accounts = 1
      await new AccountCheck(components, reader, { ...options, repair }, report, accountId).run()
      return report
    })
  let report = await look(false)
  if (options.repair) {
    const exclusively = options.exclusively ?? ((_accountId, task) => task())
    await exclusively(accountId, async () => {
      report = await look(true)
    })
  }
  const room = (options.problemsMax ?? storeCheckLimits.problemsMax) - total.problems.length
  total.problems.push(...report.problems.slice(0, room))
  for (const count of ['accounts', 'mailboxes', 'messages', 'bytes', 'problemCount', 'repairedCount'] as const) {
    total[count] += report[count]
  }
}

function emptyReport(): StoreCheckReport {
  return {
    accounts: 0,
    mailboxes: 0,
    messages: 0,
    bytes: 0,
    problems: [],
    problemCount: 0,
    repairedCount: 0,
    durationMs: 0,
  }
}

/** Every account that has any mailbox record, ascending. */
export async function* accountIds(database: Database): AsyncIterable<string> {
  let from = 'a!'
  for (;;) {
    let found: string | undefined
    for await (const key of database.keysOf({ gte: from, lt: afterPrefix('a!'), limit: 1 })) found = key
    const accountId = found?.split('!')[1]
    if (accountId === undefined) return
    yield accountId
    from = afterPrefix(mailboxKeys.account(accountId))
  }
}

class AccountCheck {
  readonly #database: Database
  readonly #reader: DatabaseReader
  readonly #log: MessageLog
  readonly #repair: boolean
  readonly #problemsMax: number
  readonly #report: StoreCheckReport
  readonly #account: string
  readonly #emailIds = new Set<string>()
  /** Blobs already read: copies share them. */
  readonly #blobs = new Set<string>()
  #deltas: Awaited<ReturnType<typeof readDeltas>> = []
  #ops: DatabaseOp[] = []

  constructor(
    parts: StoreCheckComponents,
    reader: DatabaseReader,
    options: StoreCheckOptions,
    report: StoreCheckReport,
    account: string,
  ) {
    this.#database = parts.database
    this.#reader = reader
    this.#log = parts.log
    this.#repair = options.repair ?? false
    this.#problemsMax = options.problemsMax ?? storeCheckLimits.problemsMax
    this.#report = report
    this.#account = account
  }

  async run(): Promise<void> {
    const state = await this.#readState()
    if (!state) return
    const mailboxes = await this.#readMailboxes()
    this.#deltas = await readDeltas(this.#reader, this.#account, (key, error) => this.#noteDamaged(key, error))
    let usedBytes = 0
    for (const mailbox of mailboxes.values()) usedBytes += await this.#checkMailbox(mailbox, state)
    await this.#findStrayMessages(mailboxes)
    if (usedBytes !== state.usedBytes) {
      this.#note('used-bytes-wrong', `${state.usedBytes} bytes are counted where ${usedBytes} are used`, true)
      this.#fix({ type: 'put', key: mailboxKeys.state(this.#account), value: encodeState({ ...state, usedBytes }) })
    }
    await this.#checkSharing(mailboxes)
    await this.#checkJournal(state)
    await this.#checkInfos()
    await this.#write()
  }

  /** @param fixable by this program, where it was asked to repair */
  #note(code: StoreProblemCode, text: string, fixable = false): void {
    const repaired = fixable && this.#repair
    this.#report.problemCount += 1
    if (repaired) this.#report.repairedCount += 1
    if (this.#report.problems.length < this.#problemsMax) {
      this.#report.problems.push({ code, accountId: this.#account, text, repaired })
    }
  }

  #fix(op: DatabaseOp): void {
    if (this.#repair) this.#ops.push(op)
  }

  async #write(): Promise<void> {
    if (this.#ops.length === 0) return
    const ops = this.#ops
    this.#ops = []
    await this.#database.write(ops)
  }

  /** Undefined, and noted, where the record is damaged. */
  #decoded<Value>(what: string, decode: () => Value): Value | undefined {
    try {
      return decode()
    } catch (error) {
      this.#noteDamaged(what, error)
      return undefined
    }
  }

  #noteDamaged(what: string, error: unknown): void {
    this.#note('record-damaged', `${what} can't be read: ${(error as Error).message}`)
  }

  async #readState(): Promise<AccountMailboxState | undefined> {
    const bytes = await this.#reader.get(mailboxKeys.state(this.#account))
    if (bytes) return this.#decoded('the state of the account', () => decodeState(bytes))
    this.#note('state-missing', 'there are mailbox records of an account without a state')
    return undefined
  }

  async #readMailboxes(): Promise<Map<string, MailboxRecord>> {
    const mailboxes = new Map<string, MailboxRecord>()
    for await (const [key, value] of this.#reader.prefix(mailboxKeys.mailboxes(this.#account))) {
      const mailbox = this.#decoded(`mailbox ${key}`, () => decodeMailbox(value))
      if (mailbox) mailboxes.set(mailbox.id, mailbox)
    }
    return mailboxes
  }

  /** @returns bytes of its messages */
  async #checkMailbox(mailbox: MailboxRecord, state: AccountMailboxState): Promise<number> {
    this.#report.mailboxes += 1
    const found = { messages: 0, unseen: 0, bytes: 0 }
    let { uidNext, highestModseq } = mailbox
    const note = (key: string, error: unknown) => this.#noteDamaged(key, error)
    for (const record of await readMailboxMessages(this.#reader, this.#account, mailbox.id, this.#deltas, note)) {
      found.messages += 1
      if (!record.flags.includes('\\Seen')) found.unseen += 1
      found.bytes += record.size
      uidNext = Math.max(uidNext, record.uid + 1)
      highestModseq = Math.max(highestModseq, record.modseq)
      await this.#checkMessage(mailbox, record)
    }
    const { name } = mailbox
    if (uidNext !== mailbox.uidNext) this.#note('uid-above-next', `${name}: a UID is not below UIDNEXT`, true)
    if (highestModseq !== mailbox.highestModseq)
      this.#note('modseq-above-newest', `${name}: a MODSEQ is too high`, true)
    const { messages, unseen, bytes } = mailbox
    if (messages !== found.messages || unseen !== found.unseen || bytes !== found.bytes) {
      const counted = `${messages} messages, ${unseen} unseen, ${bytes} bytes`
      const right = `${found.messages}, ${found.unseen}, ${found.bytes}`
      this.#note('counts-wrong', `${name}: counted are ${counted}, right is ${right}`, true)
    }
    const right = { ...mailbox, ...found, uidNext, highestModseq }
    if (JSON.stringify(right) !== JSON.stringify(mailbox)) {
      this.#fix({ type: 'put', key: mailboxKeys.mailbox(this.#account, mailbox.id), value: encodeMailbox(right) })
    }
    if (mailbox.uidValidity >= state.nextUidValidity) {
      this.#note('uid-above-next', `${name}: its UIDVALIDITY could be given out again`, true)
      const next = { ...state, nextUidValidity: mailbox.uidValidity + 1 }
      state.nextUidValidity = next.nextUidValidity
      this.#fix({ type: 'put', key: mailboxKeys.state(this.#account), value: encodeState(next) })
    }
    return found.bytes
  }

  async #checkMessage(mailbox: MailboxRecord, record: MessageRecord): Promise<void> {
    this.#report.messages += 1
    this.#report.bytes += record.size
    const where = `${mailbox.name}, UID ${record.uid}`
    if (record.size !== record.blob.length) {
      this.#note('size-wrong', `${where}: its size is ${record.size}, its bytes are ${record.blob.length}`)
    }
    const place = `${record.blob.segment}/${record.blob.offset}`
    if (!this.#blobs.has(place)) {
      this.#blobs.add(place)
      const problem = await this.#readAll(record.blob)
      if (problem) return this.#noteUnreadable(mailbox, record, `${where}: ${problem}`)
    }
    await this.#checkInfo(record, where)
  }

  async #noteUnreadable(mailbox: MailboxRecord, record: MessageRecord, text: string): Promise<void> {
    // On a store in use the message may be gone since, and its bytes with it.
    const now = await this.#database.atOneMoment(async (reader) => {
      const ignore = () => undefined
      const deltas = await readDeltas(reader, this.#account, ignore)
      return readMailboxMessages(reader, this.#account, mailbox.id, deltas, ignore)
    })
    if (now.some(({ uid }) => uid === record.uid)) this.#note('message-unreadable', text)
  }

  async #readAll(blob: BlobRef): Promise<string | undefined> {
    let length = 0
    try {
      for await (const chunk of this.#log.stream(blob)) length += chunk.length
    } catch (error) {
      if (isErrorCode(error, 'message-damaged')) return error.message
      throw error
    }
    return length === blob.length ? undefined : `${length} bytes came back instead of ${blob.length}`
  }

  async #checkInfo(record: MessageRecord, where: string): Promise<void> {
    const { emailId } = record
    if (this.#emailIds.has(emailId)) return
    this.#emailIds.add(emailId)
    const key = mailboxKeys.info(this.#account, emailId)
    const bytes = await this.#reader.get(key)
    let damaged = false
    if (bytes) {
      try {
        decodeInfo(emailId, bytes)
      } catch {
        damaged = true
        this.#note('info-damaged', `${where}: its parsed index can't be read`, true)
      }
    }
    // A missing one is no problem, it is made when it is asked for; but where all is repaired, it is made now.
    if (!this.#repair || (bytes && !damaged)) return
    const index = indexMessage(await this.#log.read(record.blob))
    this.#fix({ type: 'put', key, value: encodeInfo({ emailId, index }) })
    if (this.#ops.length >= storeCheckLimits.opsPerRepair) await this.#write()
  }

  async #findStrayMessages(mailboxes: ReadonlyMap<string, MailboxRecord>): Promise<void> {
    for (const id of await mailboxesWithMessages(this.#reader, this.#account, this.#deltas)) {
      if (!mailboxes.has(id)) this.#note('mailbox-missing', `there are messages of a mailbox ${id} that does not exist`)
    }
  }

  /** What others than the owner have: their counts, and the index that leads them here. */
  async #checkSharing(mailboxes: ReadonlyMap<string, MailboxRecord>): Promise<void> {
    const ground = { reader: this.#reader, account: this.#account, mailboxes }
    const messages = (mailbox: string) => readMailboxMessages(this.#reader, this.#account, mailbox, this.#deltas)
    for await (const { code, text, ops } of sharingProblems(ground, messages)) {
      this.#note(code, text, true)
      for (const op of ops) this.#fix(op)
    }
  }

  async #checkJournal(state: AccountMailboxState): Promise<void> {
    let last: number | undefined
    for await (const [key, value] of this.#reader.prefix(mailboxKeys.journal(this.#account))) {
      const entry = this.#decoded(`journal ${key}`, () => decodeJournalEntry(value))
      if (!entry) continue
      if (last !== undefined && entry.seq !== last + 1) {
        this.#note('journal-gap', `the journal goes from ${last} to ${entry.seq}`)
      }
      last = entry.seq
    }
    if (last !== undefined && last !== state.seq) {
      this.#note('journal-gap', `the journal ends at ${last}, the account is at ${state.seq}`)
    }
  }

  async #checkInfos(): Promise<void> {
    const prefix = mailboxKeys.infos(this.#account)
    for await (const key of this.#reader.keysOf({ gte: prefix, lt: afterPrefix(prefix) })) {
      if (this.#emailIds.has(key.slice(prefix.length))) continue
      // Room that nobody needs, left by copies that were expunged: tidied up, and no problem to report.
      this.#fix({ type: 'del', key })
      if (this.#ops.length >= storeCheckLimits.opsPerRepair) await this.#write()
    }
  }
}
