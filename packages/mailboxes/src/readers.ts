// What people other than the owner have seen of a shared mailbox: counts by reader, and a mark for each message.
// Promises: an account that shares nothing pays nothing; marks are loaded when first needed, while commits go on.
import type { AccountId } from '@skein/accounts'
import { seen, sharedFlags } from './flags.ts'
import { withFlags } from './message-list.ts'
import type { JournalEntry, MailboxCommit, MailboxId, MessageRecord, ReaderRecord, SeenMark } from './ports.ts'

/** Readers by mailbox. Records in it are never changed, only replaced. */
export class ReaderTable {
  readonly #byMailbox = new Map<MailboxId, Map<AccountId, ReaderRecord>>()

  constructor(readers: Iterable<{ mailbox: MailboxId; reader: ReaderRecord }> = []) {
    for (const { mailbox, reader } of readers) this.set(mailbox, reader)
  }

  get(mailbox: MailboxId, user: AccountId): ReaderRecord | undefined {
    return this.#byMailbox.get(mailbox)?.get(user)
  }

  of(mailbox: MailboxId): Iterable<ReaderRecord> {
    return this.#byMailbox.get(mailbox)?.values() ?? []
  }

  set(mailbox: MailboxId, reader: ReaderRecord): void {
    let readers = this.#byMailbox.get(mailbox)
    if (!readers) this.#byMailbox.set(mailbox, (readers = new Map()))
    readers.set(reader.user, reader)
  }

  delete(mailbox: MailboxId): void {
    this.#byMailbox.delete(mailbox)
  }

  apply(commit: MailboxCommit): void {
    for (const { mailbox, reader } of commit.putReaders ?? []) this.set(mailbox, reader)
    for (const mailbox of commit.deleteMailboxes) this.delete(mailbox)
  }
}

interface LoadedMarks {
  mailbox: MailboxId
  user: AccountId
  marks: Map<number, SeenMark>
  loading: Promise<void> | null
  /** Became visible while the marks were loading. */
  missed: JournalEntry[]
}

export class SeenMarks {
  readonly #load: (mailbox: MailboxId, user: AccountId) => Promise<SeenMark[]>
  readonly #lists = new Map<string, LoadedMarks>()
  /** What commits under way make of them; null: gone. */
  readonly #planned = new Map<string, Map<number, { mark: SeenMark | null; seq: number }>>()

  /** @param load resolves only when what it read is visible. */
  constructor(load: (mailbox: MailboxId, user: AccountId) => Promise<SeenMark[]>) {
    this.#load = load
  }

  isLoaded(mailbox: MailboxId, user: AccountId): boolean {
    return this.#lists.get(keyOf(mailbox, user))?.loading === null
  }

  async load(mailbox: MailboxId, user: AccountId): Promise<void> {
    const key = keyOf(mailbox, user)
    let list = this.#lists.get(key)
    if (!list) {
      list = { mailbox, user, marks: new Map(), loading: null, missed: [] }
      this.#lists.set(key, list)
      list.loading = this.#fill(key, list)
    }
    if (list.loading) await list.loading
  }

  async #fill(key: string, list: LoadedMarks): Promise<void> {
    try {
      for (const mark of await this.#load(list.mailbox, list.user)) list.marks.set(mark.uid, mark)
      for (const entry of list.missed) applyToMarks(list, entry)
      list.missed = []
      list.loading = null
    } catch (error) {
      if (this.#lists.get(key) === list) this.#lists.delete(key)
      throw error
    }
  }

  /** As committed; undefined also where they are not loaded. */
  visible(mailbox: MailboxId, user: AccountId, uid: number): SeenMark | undefined {
    return this.#lists.get(keyOf(mailbox, user))?.marks.get(uid)
  }

  /** As the next commit finds it. Must be loaded. */
  planned(mailbox: MailboxId, user: AccountId, uid: number): SeenMark | undefined {
    const key = keyOf(mailbox, user)
    const planned = this.#planned.get(key)?.get(uid)
    return planned ? (planned.mark ?? undefined) : this.#lists.get(key)?.marks.get(uid)
  }

  plan(commit: MailboxCommit): void {
    const { seq } = commit.entry
    for (const { mailbox, user, mark } of commit.putSeen ?? [])
      this.#plannedOf(mailbox, user).set(mark.uid, { mark, seq })
    for (const { mailbox, user, uid } of commit.deleteSeen ?? [])
      this.#plannedOf(mailbox, user).set(uid, { mark: null, seq })
  }

  #plannedOf(mailbox: MailboxId, user: AccountId): Map<number, { mark: SeenMark | null; seq: number }> {
    const key = keyOf(mailbox, user)
    let planned = this.#planned.get(key)
    if (!planned) this.#planned.set(key, (planned = new Map()))
    return planned
  }

  /** A commit has become visible. */
  show(commit: MailboxCommit): void {
    this.apply(commit.entry)
    const { seq } = commit.entry
    const settle = (mailbox: MailboxId, user: AccountId, uid: number) => {
      const planned = this.#planned.get(keyOf(mailbox, user))
      if (planned?.get(uid)?.seq === seq) planned.delete(uid)
    }
    for (const { mailbox, user, mark } of commit.putSeen ?? []) settle(mailbox, user, mark.uid)
    for (const { mailbox, user, uid } of commit.deleteSeen ?? []) settle(mailbox, user, uid)
  }

  apply(entry: JournalEntry): void {
    if (this.#lists.size === 0) return
    for (const list of this.#lists.values()) {
      if (list.loading) list.missed.push(entry)
      else applyToMarks(list, entry)
    }
  }

  /** Nothing is under way any more. */
  forgetPlanned(): void {
    this.#planned.clear()
  }

  forget(mailbox: MailboxId): void {
    for (const [key, list] of this.#lists) if (list.mailbox === mailbox) this.#lists.delete(key)
  }

  get marksLoaded(): number {
    let marks = 0
    for (const list of this.#lists.values()) marks += list.marks.size
    return marks
  }
}

function keyOf(mailbox: MailboxId, user: AccountId): string {
  return `${mailbox} ${user}`
}

function applyToMarks({ mailbox, user, marks }: LoadedMarks, entry: JournalEntry): void {
  for (const op of entry.ops) {
    if (op.op === 'expunge' && op.mailbox === mailbox) marks.delete(op.uid)
    else if (op.op === 'seen' && op.mailbox === mailbox && op.user === user) {
      for (const uid of op.uids) marks.set(uid, { uid, seen: op.seen, modseq: entry.modseq })
    }
  }
}

/** The message as a reader sees it, whose own \Seen and MODSEQ count. `record` itself where that is the same. */
export function asRead(record: MessageRecord, mark: SeenMark | undefined): MessageRecord {
  const flags = flagsRead(record.flags, mark?.seen ?? false)
  const modseq = mark !== undefined && mark.modseq > record.modseq ? mark.modseq : record.modseq
  return flags === record.flags && modseq === record.modseq ? record : withFlags(record, flags, modseq)
}

/** The owner's flags with a reader's \Seen. */
export function flagsRead(flags: readonly string[], isSeen: boolean): readonly string[] {
  if (flags.includes(seen) === isSeen) return flags
  return sharedFlags(isSeen ? [seen, ...flags] : flags.filter((flag) => flag !== seen))
}
