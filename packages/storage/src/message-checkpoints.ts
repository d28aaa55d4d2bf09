// Folds deltas into pages when there are many of an account. Promises: goes on beside commits and loses none of them; a
// crash at any point leaves pages and deltas that together say the same; its failure costs nothing but another try.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MailboxId, MessageRecord } from '@skein/mailboxes'
import type { Database, DatabaseOp } from './database.ts'
import type { DatabaseReader } from './database-reader.ts'
import { decodePage, encodePage } from './message-page.ts'
import { type MessageChange, messageKeys, pageOf, readDeltas, withChanges } from './message-pages.ts'

export const checkpointLimits = {
  /** Deltas of one account that may lie about before they are folded in: what opening it has to go through. */
  deltasMax: 2048,
  deltaBytesMax: 512 * 1024,
  /** Messages that they name: a change of many takes few bytes. */
  deltaMessagesMax: 50_000,
  /** Pages go to the disk in pieces of about this size, between other writes. */
  writeBytes: 512 * 1024,
} as const

export type CheckpointSettings = Partial<Record<keyof typeof checkpointLimits, number>>

interface Progress {
  deltas: number
  bytes: number
  messages: number
  /** Mailboxes deleted while a fold is under way. */
  dropped: Set<MailboxId> | null
  folding: Promise<void> | null
}

function newProgress(): Progress {
  return { deltas: 0, bytes: 0, messages: 0, dropped: null, folding: null }
}

export class MessageCheckpoints {
  readonly #database: Database
  readonly #limits: Required<CheckpointSettings>
  /** Of accounts with deltas since the process started. */
  readonly #progress = new Map<string, Progress>()

  constructor(database: Database, settings: CheckpointSettings) {
    this.#database = database
    this.#limits = { ...checkpointLimits, ...settings }
  }

  /** A delta was handed to the database. @param messages that it names @param dropped mailboxes that it deletes */
  noteDelta(account: string, bytes: number, messages: number, dropped: readonly MailboxId[]): void {
    let progress = this.#progress.get(account)
    if (!progress) this.#progress.set(account, (progress = newProgress()))
    progress.deltas += 1
    progress.bytes += bytes
    progress.messages += messages
    for (const mailbox of dropped) progress.dropped?.add(mailbox)
  }

  /** So many deltas were found, those of earlier runs among them: they count towards the next fold. */
  noteFound(account: string, deltas: number): void {
    if (deltas < this.#limits.deltasMax) return
    const progress = this.#progress.get(account) ?? newProgress()
    this.#progress.set(account, progress)
    progress.deltas = Math.max(progress.deltas, deltas)
  }

  /** To be called when a commit is durable: folds where it is time. */
  afterCommit(account: string): void {
    const progress = this.#progress.get(account)
    if (!progress || progress.folding) return
    const { deltasMax, deltaBytesMax, deltaMessagesMax } = this.#limits
    if (progress.deltas < deltasMax && progress.bytes < deltaBytesMax && progress.messages < deltaMessagesMax) return
    this.fold(account).catch(() => {
      // Full or failed disk, or closed: the commits say so themselves, and the deltas stay.
    })
  }

  /** Folds all deltas that are durable now. */
  fold(account: string): Promise<void> {
    let progress = this.#progress.get(account)
    if (!progress) this.#progress.set(account, (progress = newProgress()))
    const mine = progress
    mine.folding ??= this.#fold(account, mine).finally(() => {
      mine.folding = null
      mine.dropped = null
    })
    return mine.folding
  }

  /** The account goes: nothing of it may be written any more. */
  async forget(account: string): Promise<void> {
    await this.#progress.get(account)?.folding?.catch(() => {})
    this.#progress.delete(account)
  }

  async #fold(account: string, progress: Progress): Promise<void> {
    const dropped = new Set<MailboxId>()
    Object.assign(progress, { deltas: 0, bytes: 0, messages: 0, dropped })
    let pending: DatabaseOp[] = []
    let pendingBytes = 0
    const flush = async () => {
      const ops = pending.filter((op) => op.type !== 'put' || !dropped.has(mailboxOfPage(account, op.key)))
      pending = []
      pendingBytes = 0
      if (ops.length > 0) await this.#database.write(ops)
    }
    const last = await this.#database.atOneMoment(async (reader) => {
      const deltas = await readDeltas(reader, account)
      for (const [mailbox, pages] of byPage(deltas)) {
        for (const [page, changes] of pages) {
          const op = await foldedPage(reader, messageKeys.page(account, mailbox, page), mailbox, changes)
          pending.push(op)
          pendingBytes += op.type === 'put' ? (op.value as Uint8Array).length : 0
          if (pendingBytes >= this.#limits.writeBytes) await flush()
          await nextTurn()
        }
      }
      return deltas.at(-1)?.seq
    })
    if (last === undefined) return
    // Last of all: until now every page could be made again.
    pending.push({ type: 'del-range', gte: messageKeys.deltas(account), lt: messageKeys.delta(account, last + 1) })
    await flush()
  }
}

function mailboxOfPage(account: string, key: string): MailboxId {
  return key.slice(messageKeys.allPages(account).length).split('!')[0] as MailboxId
}

type Deltas = readonly { changes: readonly MessageChange[] }[]

/** What the deltas do, page by page, in order; mailboxes that they drop are left out. */
function byPage(deltas: Deltas): Map<MailboxId, Map<number, MessageChange[]>> {
  const mailboxes = new Map<MailboxId, Map<number, MessageChange[]>>()
  for (const { changes } of deltas) {
    for (const change of changes) {
      if (change.kind === 'drop') {
        mailboxes.delete(change.mailbox)
        continue
      }
      let pages = mailboxes.get(change.mailbox)
      if (!pages) mailboxes.set(change.mailbox, (pages = new Map()))
      for (const [page, part] of partsOf(change)) {
        const parts = pages.get(page)
        if (parts) parts.push(part)
        else pages.set(page, [part])
      }
    }
  }
  return mailboxes
}

function partsOf(change: Exclude<MessageChange, { kind: 'drop' }>): Map<number, MessageChange> {
  const parts = new Map<number, MessageChange>()
  if (change.kind === 'put') {
    for (const [page, records] of Map.groupBy(change.records, ({ uid }) => pageOf(uid))) {
      parts.set(page, { ...change, records })
    }
  } else {
    for (const [page, uids] of Map.groupBy(change.uids, pageOf)) parts.set(page, { ...change, uids })
  }
  return parts
}

async function foldedPage(
  reader: DatabaseReader,
  key: string,
  mailbox: MailboxId,
  changes: readonly MessageChange[],
): Promise<DatabaseOp> {
  const before: MessageRecord[] = []
  const bytes = await reader.get(key)
  if (bytes) decodePage(bytes, before)
  const records = withChanges(before, mailbox, [{ changes }])
  return records.length === 0 ? { type: 'del', key } : { type: 'put', key, value: encodePage(records) }
}
