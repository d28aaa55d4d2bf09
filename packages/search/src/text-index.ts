// The TextIndex port: follows accounts that people use, and answers their searches from the worker.
// Promises: the node's thread only reads bytes and passes them on; what the index does not cover is looked at itself.
import { readdir, mkdir } from 'node:fs/promises'
import type {
  AccountFollower,
  AccountMailboxes,
  Mailboxes,
  MailboxId,
  MessageLog,
  MessageRecord,
  RankedMessage,
  TextFindings,
  TextIndex,
  TextQuery,
} from '@skein/mailboxes'
import { foldText } from '@skein/mail'
import type { Clock, Logger } from '@skein/runtime'
import { AccountFeed } from './account-feed.ts'
import { Batch, readWhole } from './batch.ts'
import { searchLimits } from './limits.ts'
import { SearchWorker } from './search-worker.ts'

export interface TextIndexComponents {
  log: MessageLog
  clock: Clock
  logger: Logger
}

export interface TextIndexSettings {
  /** Made when it is not there. */
  directory: string
  /** Which accounts are indexed: those that someone reads (default), all that change, or none: then letters are looked at. */
  accounts?: 'used' | 'all' | 'none'
}

export interface DiskTextIndex extends TextIndex, AccountFollower {
  /** Before this nothing is indexed. */
  start(mailboxes: Pick<Mailboxes, 'open'>): Promise<void>
  /** Resolves when the account's index has all that the account had at the call. */
  settled(accountId: string): Promise<void>
  /** For tests: ends the worker as a crash would. */
  killWorker(): Promise<void>
  close(): Promise<void>
}

export function createTextIndex(components: TextIndexComponents, settings: TextIndexSettings): DiskTextIndex {
  return new WorkerTextIndex(components, settings)
}

class WorkerTextIndex implements DiskTextIndex {
  readonly #settings: Required<TextIndexSettings>
  readonly #worker: SearchWorker
  readonly #feed: AccountFeed

  constructor({ log, clock, logger }: TextIndexComponents, settings: TextIndexSettings) {
    this.#settings = { accounts: 'used', ...settings }
    this.#worker = new SearchWorker({
      directory: settings.directory,
      clock,
      logger,
      lost: () => this.#feed.workerLost(),
      holdsWork: () => this.#feed.holdsWork,
    })
    this.#feed = new AccountFeed({ log, clock, logger, worker: this.#worker })
  }

  async start(mailboxes: Pick<Mailboxes, 'open'>): Promise<void> {
    const { directory, accounts } = this.#settings
    await mkdir(directory, { recursive: true, mode: 0o700 })
    this.#feed.start(mailboxes)
    if (accounts === 'none') return
    for (const account of await readdir(directory)) this.#feed.follow(account)
  }

  /* ------------------------------------------------------------------ what happens to accounts */

  changed(accountId: string, change: Parameters<AccountFollower['changed']>[1]): void {
    if (this.#settings.accounts === 'all') this.#feed.follow(accountId)
    this.#feed.changed(accountId, change)
  }

  deleted(accountId: string): void {
    this.#feed.forget(accountId)
  }

  attend(accountId: string): void {
    if (this.#settings.accounts !== 'none') this.#feed.follow(accountId)
  }

  settled(accountId: string): Promise<void> {
    return this.#feed.settled(accountId)
  }

  /* ------------------------------------------------------------------ searches */

  async find(
    mailboxes: AccountMailboxes,
    mailbox: MailboxId,
    queries: readonly TextQuery[],
  ): Promise<TextFindings | undefined> {
    const account = mailboxes.accountId
    this.attend(account)
    if (!this.#feed.isFollowed(account)) return undefined
    try {
      const found = await this.#worker.request({ kind: 'find', account, mailbox, queries: folded(queries) })
      return found?.uidValidity === mailboxes.byId(mailbox)?.uidValidity ? found : undefined
    } catch {
      this.#feed.doubt(account)
      return undefined
    }
  }

  async rank(
    mailboxes: AccountMailboxes,
    mailbox: MailboxId,
    words: string,
    limit: number,
  ): Promise<RankedMessage[] | undefined> {
    const account = mailboxes.accountId
    this.attend(account)
    if (!this.#feed.isFollowed(account)) return undefined
    try {
      return await this.#worker.request({ kind: 'rank', account, mailbox, words: foldText(words), limit })
    } catch {
      this.#feed.doubt(account)
      return undefined
    }
  }

  async examine(
    mailboxes: AccountMailboxes,
    records: readonly MessageRecord[],
    queries: readonly TextQuery[],
  ): Promise<(boolean[] | undefined)[]> {
    const results: (boolean[] | undefined)[] = records.map(() => undefined)
    const wanted = folded(queries)
    let batch = new Batch()
    let places: number[] = []
    const under: Promise<void>[] = []
    const send = () => {
      const { letters, transfer } = batch
      const own = places
      batch = new Batch()
      places = []
      if (letters.length === 0) return
      const sent = this.#worker
        .request(
          { kind: 'examine', letters: letters.map(({ bytes }) => bytes as Uint8Array), queries: wanted },
          transfer,
        )
        .then(
          (answers) => {
            for (const [at, place] of own.entries()) results[place] = answers[at]
          },
          () => {},
        )
      under.push(sent)
    }
    for (const [place, record] of records.entries()) {
      if (record.size > searchLimits.messageBytesMax) continue
      const bytes = await readWhole(mailboxes, record).catch(() => undefined)
      if (bytes === undefined) continue
      batch.add(record.uid, bytes)
      places.push(place)
      if (!batch.isFull) continue
      send()
      // One is looked at while the next is read.
      if (under.length > 1) await under.shift()
    }
    send()
    await Promise.all(under)
    return results
  }

  killWorker(): Promise<void> {
    return this.#worker.kill()
  }

  async close(): Promise<void> {
    await this.#feed.close()
    await this.#worker.close()
  }
}

function folded(queries: readonly TextQuery[]): TextQuery[] {
  return queries.map((query) => ({ ...query, text: foldText(query.text) }))
}
