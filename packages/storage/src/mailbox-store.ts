// The MailboxStore in level. Promises: a commit is one atomic batch, durable when it resolves, in order within its
// account; commits of many accounts share one write and one fsync. Keys: docs/internals/data-layout.md.
import {
  type MailboxCommit,
  type MailboxStore,
  type MessageInfo,
  type MessageRecord,
  granteesOf,
} from '@skein/mailboxes'
import type { AnnotationRecord, SeenMark } from '@skein/mailboxes'
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
  readers: (account: string) => `a!${account}!rdr!`,
  readersOf: (account: string, id: string) => `a!${account}!rdr!${id}!`,
  reader: (account: string, id: string, user: string) => `a!${account}!rdr!${id}!${user}`,
  allSeen: (account: string) => `a!${account}!seen!`,
  seenOf: (account: string, id: string) => `a!${account}!seen!${id}!`,
  seen: (account: string, id: string, user: string) => `a!${account}!seen!${id}!${user}!`,
  seenBy: (account: string, id: string, user: string, seq: number) =>
    `a!${account}!seen!${id}!${user}!${seq.toString(16).padStart(11, '0')}`,
  allExpunged: (account: string) => `a!${account}!exp!`,
  expunged: (account: string, id: string) => `a!${account}!exp!${id}!`,
  expungedBy: (account: string, id: string, seq: number) =>
    `a!${account}!exp!${id}!${seq.toString(16).padStart(11, '0')}`,
  allAnnotations: (account: string) => `a!${account}!ann!`,
  /** Of the account itself where there is no id. */
  annotations: (account: string, id: string | null) => `a!${account}!ann!${id ?? ''}!`,
  annotation: (account: string, id: string | null, user: string | null, name: string) =>
    `a!${account}!ann!${id ?? ''}!${user ?? ''}!${name}`,
  allShares: 'x!s!',
  shares: (grantee: string) => `x!s!${grantee}!`,
  share: (grantee: string, owner: string, id: string) => `x!s!${grantee}!${owner}!${id}`,
  serverAnnotations: 'x!a!',
  serverAnnotation: (name: string) => `x!a!${name}`,
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
    const readers = []
    const prefix = mailboxKeys.readers(accountId)
    for await (const [key, value] of this.#database.prefix(prefix)) {
      readers.push({ mailbox: key.slice(prefix.length).split('!')[0] as string, reader: records.decodeReader(value) })
    }
    return { state: records.decodeState(bytes), mailboxes, readers }
  }

  loadMessages(accountId: string, mailbox: string): Promise<MessageRecord[]> {
    return this.#database.atOneMoment(async (reader) => {
      const deltas = await readDeltas(reader, accountId)
      this.#checkpoints.noteFound(accountId, deltas.length)
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

  async expunged(accountId: string, mailbox: string, afterSeq: number): Promise<number[]> {
    const range = {
      gte: mailboxKeys.expungedBy(accountId, mailbox, afterSeq + 1),
      lt: afterPrefix(mailboxKeys.expunged(accountId, mailbox)),
    }
    const uids = new Set<number>()
    for await (const values of this.#database.valuesOf(range)) {
      for (const value of values) for (const uid of records.decodeUids(value)) uids.add(uid)
    }
    return [...uids].sort((a, b) => a - b)
  }

  async loadSeen(accountId: string, mailbox: string, user: string): Promise<SeenMark[]> {
    const prefix = mailboxKeys.seen(accountId, mailbox, user)
    const marks = new Map<number, SeenMark>()
    for await (const values of this.#database.valuesOf({ gte: prefix, lt: afterPrefix(prefix) })) {
      for (const value of values) records.applySeenChange(marks, records.decodeSeenChange(value))
    }
    return [...marks.values()].sort((a, b) => a.uid - b.uid)
  }

  async loadAnnotations(accountId: string, mailbox: string | null): Promise<AnnotationRecord[]> {
    const prefix = mailboxKeys.annotations(accountId, mailbox)
    const annotations: AnnotationRecord[] = []
    for await (const [key, value] of this.#database.prefix(prefix)) {
      const at = key.indexOf('!', prefix.length)
      const user = key.slice(prefix.length, at) || null
      annotations.push({ mailbox, user, name: key.slice(at + 1), value: records.decodeText(value) })
    }
    return annotations
  }

  async sharedWith(grantee: string): Promise<{ owner: string; mailbox: string }[]> {
    const prefix = mailboxKeys.shares(grantee)
    const shares: { owner: string; mailbox: string }[] = []
    for await (const key of this.#database.keysOf({ gte: prefix, lt: afterPrefix(prefix) })) {
      const [owner = '', mailbox = ''] = key.slice(prefix.length).split('!')
      shares.push({ owner, mailbox })
    }
    return shares
  }

  async loadServerAnnotations(): Promise<AnnotationRecord[]> {
    const prefix = mailboxKeys.serverAnnotations
    const annotations: AnnotationRecord[] = []
    for await (const [key, value] of this.#database.prefix(prefix)) {
      annotations.push({ mailbox: null, user: null, name: key.slice(prefix.length), value: records.decodeText(value) })
    }
    return annotations
  }

  putServerAnnotation(name: string, value: string | null): Promise<void> {
    const key = mailboxKeys.serverAnnotation(name)
    return this.#database.write([
      value === null ? { type: 'del', key } : { type: 'put', key, value: records.encodeText(value) },
    ])
  }

  async deleteAccount(accountId: string): Promise<void> {
    await this.#checkpoints.forget(accountId)
    const ops: DatabaseOp[] = []
    for await (const [, value] of this.#database.prefix(mailboxKeys.mailboxes(accountId))) {
      const { id, acl } = records.decodeMailbox(value)
      for (const grantee of granteesOf(acl)) ops.push({ type: 'del', key: mailboxKeys.share(grantee, accountId, id) })
    }
    for (const prefix of [mailboxKeys.account(accountId), mailboxKeys.shares(accountId)]) {
      ops.push({ type: 'del-range', gte: prefix, lt: afterPrefix(prefix) })
    }
    await this.#database.write(ops)
    this.#chains.delete(accountId)
  }
}

function commitOps(commit: MailboxCommit, delta: Buffer | undefined): DatabaseOp[] {
  const account = commit.state.accountId
  const ops: DatabaseOp[] = []
  const put = (key: string, value: Buffer | (() => Buffer)) => ops.push({ type: 'put', key, value })
  if (delta) put(messageKeys.delta(account, commit.entry.seq), delta)
  for (const [mailbox, gone] of Map.groupBy(commit.deleteMessages, (message) => message.mailbox)) {
    const uids = gone.map(({ uid }) => uid).sort((a, b) => a - b)
    put(mailboxKeys.expungedBy(account, mailbox, commit.entry.seq), records.encodeUids(uids))
  }
  for (const mailbox of commit.putMailboxes) {
    put(mailboxKeys.mailbox(account, mailbox.id), () => records.encodeMailbox(mailbox))
  }
  for (const id of commit.deleteMailboxes) {
    ops.push({ type: 'del', key: mailboxKeys.mailbox(account, id) })
    for (const prefix of mailboxPrefixes(account, id)) {
      ops.push({ type: 'del-range', gte: prefix, lt: afterPrefix(prefix) })
    }
  }
  for (const info of commit.putInfos) put(mailboxKeys.info(account, info.emailId), records.encodeInfo(info))
  for (const id of commit.deleteInfos) ops.push({ type: 'del', key: mailboxKeys.info(account, id) })
  for (const { id, atMs } of commit.deliveryIds) {
    put(mailboxKeys.delivery(account, id), records.encodeNumber(atMs))
  }
  for (const { key, threadId } of commit.putThreads ?? []) {
    put(mailboxKeys.thread(account, key), records.encodeText(threadId))
  }
  pushSharing(ops, commit)
  put(mailboxKeys.entry(account, commit.entry.seq), records.encodeJournalEntry(commit.entry))
  put(mailboxKeys.state(account), () => records.encodeState(commit.state))
  return ops
}

/** Everything that goes with a mailbox, beside its own record. */
export function mailboxPrefixes(account: string, id: string): string[] {
  return [
    messageKeys.pages(account, id),
    mailboxKeys.readersOf(account, id),
    mailboxKeys.seenOf(account, id),
    mailboxKeys.expunged(account, id),
    mailboxKeys.annotations(account, id),
  ]
}

/** What others than the owner have of the mailboxes. */
function pushSharing(ops: DatabaseOp[], commit: MailboxCommit): void {
  const account = commit.state.accountId
  for (const { mailbox, reader } of commit.putReaders ?? []) {
    ops.push({
      type: 'put',
      key: mailboxKeys.reader(account, mailbox, reader.user),
      value: () => records.encodeReader(reader),
    })
  }
  for (const { mailbox, user, change } of seenChanges(commit)) {
    const key = mailboxKeys.seenBy(account, mailbox, user, commit.entry.seq)
    ops.push({ type: 'put', key, value: records.encodeSeenChange(change) })
  }
  for (const { mailbox, user, name, value } of commit.putAnnotations ?? []) {
    const key = mailboxKeys.annotation(account, mailbox, user, name)
    ops.push({ type: 'put', key, value: records.encodeText(value) })
  }
  for (const { mailbox, user, name } of commit.deleteAnnotations ?? []) {
    ops.push({ type: 'del', key: mailboxKeys.annotation(account, mailbox, user, name) })
  }
  for (const { grantee, mailbox } of commit.putShares ?? []) {
    ops.push({ type: 'put', key: mailboxKeys.share(grantee, account, mailbox), value: records.encodeText('') })
  }
  for (const { grantee, mailbox } of commit.deleteShares ?? []) {
    ops.push({ type: 'del', key: mailboxKeys.share(grantee, account, mailbox) })
  }
}

interface SeenChangeOf {
  mailbox: string
  user: string
  change: records.SeenChange
}

/** What a commit changes of readers' own \\Seen, in one piece for each mailbox and reader. */
function seenChanges(commit: MailboxCommit): Iterable<SeenChangeOf> {
  const changes = new Map<string, SeenChangeOf>()
  const changeOf = (mailbox: string, user: string): records.SeenChange => {
    const key = `${mailbox} ${user}`
    let known = changes.get(key)
    if (!known) {
      known = { mailbox, user, change: { modseq: commit.entry.modseq, seen: [], unseen: [], gone: [] } }
      changes.set(key, known)
    }
    return known.change
  }
  for (const { mailbox, user, mark } of commit.putSeen ?? []) {
    const change = changeOf(mailbox, user)
    if (mark.seen) change.seen.push(mark.uid)
    else change.unseen.push(mark.uid)
  }
  for (const { mailbox, user, uid } of commit.deleteSeen ?? []) changeOf(mailbox, user).gone.push(uid)
  return changes.values()
}
