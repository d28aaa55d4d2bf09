// The MailboxStore in level. Promises: a commit is one atomic batch, durable when it resolves, in order within its
// account; commits of many accounts share one write and one fsync. Keys: docs/internals/data-layout.md.
import type { MailboxCommit, MailboxStore, MessageInfo, MessageRecord } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import { type Database, type DatabaseOp, type WriteChain, afterPrefix } from './database.ts'
import * as records from './mailbox-records.ts'
import { type CheckpointSettings, MessageCheckpoints } from './message-checkpoints.ts'
import { encodeDelta, messageKeys, readDeltas, readMailboxMessages } from './message-pages.ts'

/** Keys of one account's mailboxes; each prefix ends in '!'. */
export const mailboxKeys = {
  account: (account: string) => `a!${account}!`,
  state: (account: string) => `a!${account}!meta`,
  mailboxes: (account: string) => `a!${account}!mbox!`,
  mailbox: (account: string, id: string) => `a!${account}!mbox!${id}`,
  infos: (account: string) => `a!${account}!info!`,
  info: (account: string, emailId: string) => `a!${account}!info!${emailId}`,
  journal: (account: string) => `a!${account}!log!`,
  /** Eleven hex digits hold 2^44 entries. */
  entry: (account: string, seq: number) => `a!${account}!log!${seq.toString(16).padStart(11, '0')}`,
  deliveries: (account: string) => `a!${account}!dlv!`,
  delivery: (account: string, id: string) => `a!${account}!dlv!${id}`,
  threads: (account: string) => `a!${account}!thr!`,
  thread: (account: string, key: string) => `a!${account}!thr!${key}`,
} as const

export function createMailboxStore(database: Database, checkpoints: CheckpointSettings = {}): MailboxStore {
  return new LevelMailboxStore(database, checkpoints)
}

class LevelMailboxStore implements MailboxStore {
  readonly #database: Database
  /** Of accounts with commits under way, or with a failed one since they were loaded. */
  readonly #chains = new Map<string, { chain: WriteChain; commits: number }>()
  readonly #checkpoints: MessageCheckpoints

  constructor(database: Database, checkpoints: CheckpointSettings) {
    this.#database = database
    this.#checkpoints = new MessageCheckpoints(database, checkpoints)
  }

  async loadState(accountId: string): ReturnType<MailboxStore['loadState']> {
    // What a failed commit left behind is decided only when the database can be written again.
    if (this.#chains.get(accountId)?.chain.failure) await this.#database.writable()
    this.#chains.delete(accountId)
    const bytes = await this.#database.get(mailboxKeys.state(accountId))
    if (!bytes) return undefined
    const mailboxes = []
    for await (const [, value] of this.#database.prefix(mailboxKeys.mailboxes(accountId))) {
      mailboxes.push(records.decodeMailbox(value))
    }
    return { state: records.decodeState(bytes), mailboxes }
  }

  loadMessages(accountId: string, mailbox: string): Promise<MessageRecord[]> {
    return this.#database.atOneMoment(async (reader) => {
      const deltas = await readDeltas(reader, accountId)
      return readMailboxMessages(reader, accountId, mailbox, deltas)
    })
  }

  async loadInfos(accountId: string, emailIds: readonly string[]): Promise<(MessageInfo | undefined)[]> {
    if (emailIds.length === 0) return []
    const values = await this.#database.getMany(emailIds.map((id) => mailboxKeys.info(accountId, id)))
    return values.map((value, index) => value && records.decodeInfo(emailIds[index] as string, value))
  }

  commit(commit: MailboxCommit): Promise<void> {
    const { accountId } = commit.state
    let link = this.#chains.get(accountId)
    if (!link) {
      link = { chain: { failure: null }, commits: 0 }
      this.#chains.set(accountId, link)
    }
    link.commits += 1
    return this.#write(commit, accountId, link)
  }

  async #write(commit: MailboxCommit, accountId: string, link: { chain: WriteChain; commits: number }): Promise<void> {
    try {
      const delta = encodeDelta(commit)
      const written = this.#database.write(commitOps(commit, delta), link.chain)
      const messages = commit.putMessages.length + commit.deleteMessages.length
      if (delta) this.#checkpoints.noteDelta(accountId, delta.length, messages, commit.deleteMailboxes)
      await written
      if (delta) this.#checkpoints.afterCommit(accountId)
    } catch (cause) {
      if (cause instanceof SkeinError) throw cause
      throw new SkeinError('store-write-failed', 'temporary', 'the mailbox could not be written', cause)
    } finally {
      link.commits -= 1
      // A chain with a failure stays until the account is loaded anew.
      if (link.commits === 0 && !link.chain.failure && this.#chains.get(accountId) === link) {
        this.#chains.delete(accountId)
      }
    }
  }

  async hasDelivery(accountId: string, deliveryId: string): Promise<boolean> {
    return (await this.#look(mailboxKeys.delivery(accountId, deliveryId))) !== undefined
  }

  async loadThreads(accountId: string, keys: readonly string[]): Promise<(string | undefined)[]> {
    const threads: (string | undefined)[] = []
    for (const key of keys) {
      const value = await this.#look(mailboxKeys.thread(accountId, key))
      threads.push(value && records.decodeText(value))
    }
    return threads
  }

  /** Nearly always absent, which level's Bloom filters say in a few microseconds without touching the disk. */
  #look(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.#database.isOpen ? this.#database.getSync(key) : this.#database.get(key)
  }

  saveInfos(accountId: string, infos: readonly MessageInfo[]): void {
    this.#database.writeLazily(
      infos.map((info) => ({
        type: 'put',
        key: mailboxKeys.info(accountId, info.emailId),
        value: records.encodeInfo(info),
      })),
    )
  }

  async *journal(accountId: string, afterSeq: number): ReturnType<MailboxStore['journal']> {
    const range = {
      gte: mailboxKeys.entry(accountId, afterSeq + 1),
      lt: afterPrefix(mailboxKeys.journal(accountId)),
    }
    for await (const values of this.#database.valuesOf(range)) {
      for (const value of values) yield records.decodeJournalEntry(value)
    }
  }

  async deleteAccount(accountId: string): Promise<void> {
    const prefix = mailboxKeys.account(accountId)
    await this.#checkpoints.forget(accountId)
    await this.#database.write([{ type: 'del-range', gte: prefix, lt: afterPrefix(prefix) }])
    this.#chains.delete(accountId)
  }
}

function commitOps(commit: MailboxCommit, delta: Buffer | undefined): DatabaseOp[] {
  const account = commit.state.accountId
  const ops: DatabaseOp[] = []
  const put = (key: string, value: Buffer | (() => Buffer)) => ops.push({ type: 'put', key, value })
  if (delta) put(messageKeys.delta(account, commit.entry.seq), delta)
  for (const mailbox of commit.putMailboxes) {
    put(mailboxKeys.mailbox(account, mailbox.id), () => records.encodeMailbox(mailbox))
  }
  for (const id of commit.deleteMailboxes) {
    const prefix = messageKeys.pages(account, id)
    ops.push({ type: 'del', key: mailboxKeys.mailbox(account, id) })
    ops.push({ type: 'del-range', gte: prefix, lt: afterPrefix(prefix) })
  }
  for (const info of commit.putInfos) put(mailboxKeys.info(account, info.emailId), records.encodeInfo(info))
  for (const id of commit.deleteInfos) ops.push({ type: 'del', key: mailboxKeys.info(account, id) })
  for (const { id, atMs } of commit.deliveryIds) {
    put(mailboxKeys.delivery(account, id), records.encodeNumber(atMs))
  }
  for (const { key, threadId } of commit.putThreads ?? []) {
    put(mailboxKeys.thread(account, key), records.encodeText(threadId))
  }
  put(mailboxKeys.entry(account, commit.entry.seq), records.encodeJournalEntry(commit.entry))
  put(mailboxKeys.state(account), () => records.encodeState(commit.state))
  return ops
}
