// The mailbox model (design.md §6), the stores behind it, and the face that the front doors use.
import type { AccountId } from '@skein/accounts'
import type { MessageIndex } from '@skein/mail'
import type { AclChange, AclEntry, Rights } from './rights.ts'

/* ------------------------------------------------------------------ message log */

/** Where a stored message lies: stable for ever (compaction keeps it valid). Bytes come back exactly as appended. */
export interface BlobRef {
  segment: number
  offset: number
  /** Bytes of the message, without the record's own header. */
  length: number
}

/** Bodies in append-only segment files, CRC per block, group fdatasync. Refs survive crashes once append has resolved. */
export interface MessageLog {
  /** Appends one message and resolves once it is durable (fdatasync, shared with others that wait). */
  append(parts: readonly Uint8Array[]): Promise<BlobRef>
  /** For messages that arrive in pieces: small ones stay in memory until `finish`, big ones are written as they come. */
  writer(): BlobWriter
  /**
   * Reads bytes [start, end) (default: all), CRC checked.
   * @throws SkeinError `message-damaged` (permanent) where the disk no longer gives back what was written.
   */
  read(ref: BlobRef, start?: number, end?: number): Promise<Uint8Array>
  /** Yields [start, end) in chunks of at most 256 KiB. */
  stream(ref: BlobRef, start?: number, end?: number): AsyncIterable<Uint8Array>
  /**
   * Says that a holder no longer refers to the blob. A hint: a later compaction asks whether anything else still does
   * before it reclaims the bytes.
   */
  release(ref: BlobRef): void
}

export interface BlobWriter {
  /** Bytes written so far. */
  readonly length: number
  /** Resolves when the writer can take more (back-pressure). Chunks are copied or written before it resolves. */
  write(chunk: Uint8Array): Promise<void> | void
  /** Yields what was written so far; nothing may be written meanwhile. @throws SkeinError `store-failed` (temporary) */
  written(): AsyncIterable<Uint8Array>
  /** @returns the ref of `prefix` parts followed by everything written; durable. */
  finish(prefix?: readonly Uint8Array[]): Promise<BlobRef>
  /** Gives up; nothing remains. */
  abort(): Promise<void>
}

/* ------------------------------------------------------------------ records */

/** 16 random lower-case hex digits; immutable, while a mailbox's name may change. */
export type MailboxId = string

export type SpecialUse =
  | '\\Sent'
  | '\\Drafts'
  | '\\Trash'
  | '\\Junk'
  | '\\Archive'
  | '\\All'
  | '\\Flagged'
  | '\\Important'

export interface MailboxRecord {
  id: MailboxId
  /** Unicode (not modified UTF-7), levels separated by '/'. INBOX is always `INBOX`. */
  name: string
  uidValidity: number
  uidNext: number
  /** Of the newest change in this mailbox. */
  highestModseq: number
  specialUse: SpecialUse | null
  subscribed: boolean
  /** Count, unseen count and bytes: kept so that STATUS and LIST touch no message record. */
  messages: number
  unseen: number
  bytes: number
  /** Keywords seen here, in the case first used; may hold some that no message has any more. Default: none. */
  keywords?: readonly string[]
  /** Whom the owner lets in (RFC 4314). The owner may always do everything and never stands in it. Default: nobody. */
  acl?: readonly AclEntry[]
  /** Every expunge above this MODSEQ is remembered. Missing: of old expunges nothing is known. */
  historyFrom?: number
}

/** Somebody other than the owner, as a reader of one mailbox: kept so that STATUS touches no message record. */
export interface ReaderRecord {
  user: AccountId
  /** Messages that this reader has seen. */
  seen: number
  /** Of the newest change of this reader's own \Seen. */
  highestModseq: number
  subscribed: boolean
}

/** One reader's own \Seen of one message; none: not seen, and never was. */
export interface SeenMark {
  uid: number
  seen: boolean
  modseq: number
}

/** RFC 5464. `user` null: a shared one. `mailbox` null: of the account itself. */
export interface AnnotationRecord {
  mailbox: MailboxId | null
  user: AccountId | null
  /** What follows `/private` or `/shared`, in lower case: `/comment`. */
  name: string
  /** A character for each byte. */
  value: string
}

/** What an account may hold; 0 means no limit. */
export interface QuotaLimits {
  bytes: number
  messages: number
  mailboxes: number
}

/**
 * What changes of a message. `flags` are system flags (`\Seen` …) and keywords, each once; `\Recent` never.
 * To be read by its fields: a store's own records may look them up, and spreading one loses them.
 */
export interface MessageRecord {
  uid: number
  modseq: number
  flags: readonly string[]
  internalDateMs: number
  /** RFC822.SIZE: bytes of the whole message. */
  size: number
  blob: BlobRef
  /** ULID given where the message entered the mesh; names the message for ever, over copies too (EMAILID). */
  emailId: string
  threadId: string
  savedDateMs: number
}

/** What is parsed once at delivery and never changes; JSON-compatible, made by @skein/mail's `indexMessage`. */
export interface MessageInfo {
  emailId: string
  /** `MessageIndex` of @skein/mail: envelope, part tree with byte offsets, preview. Opaque to the store. */
  index: unknown
}

/** MODSEQ = epoch * 2^36 + seq: rises over owners; seq counts the account's journal entries. Safe up to epoch 2^17. */
export const MODSEQ_EPOCH = 2 ** 36

export interface AccountMailboxState {
  accountId: AccountId
  epoch: number
  /** Of the newest journal entry. */
  seq: number
  /** The next UIDVALIDITY to give out; only rises. */
  nextUidValidity: number
  quotaBytes: number
  usedBytes: number
  /** 0 or missing: no limit. */
  quotaMessages?: number
  quotaMailboxes?: number
  /** Messages of all mailboxes; missing until the first change. */
  usedMessages?: number
  /** Names that the owner has subscribed without there being a mailbox (RFC 9051 §6.3.7), in order. Missing: none. */
  subscribedNames?: readonly string[]
}

/** One entry of the account's single change feed and journal: what replication ships, what IDLE, CONDSTORE and JMAP read. */
export interface JournalEntry {
  seq: number
  epoch: number
  modseq: number
  atMs: number
  ops: JournalOp[]
}

export type JournalOp =
  | { op: 'add'; mailbox: MailboxId; message: MessageRecord; deliveryId?: string }
  | { op: 'flags'; mailbox: MailboxId; uid: number; flags: readonly string[] }
  | { op: 'expunge'; mailbox: MailboxId; uid: number; emailId: string }
  | { op: 'mailbox'; mailbox: MailboxRecord }
  | { op: 'mailbox-delete'; mailbox: MailboxId; name: string }
  /** A reader's own \Seen. */
  | { op: 'seen'; mailbox: MailboxId; user: AccountId; uids: readonly number[]; seen: boolean }
  | { op: 'reader'; mailbox: MailboxId; user: AccountId; subscribed: boolean }
  /** `value` null: removed. */
  | { op: 'annotation'; mailbox: MailboxId | null; user: AccountId | null; name: string; value: string | null }
  | { op: 'quota'; limits: QuotaLimits }
  /** A name comes into `subscribedNames`, or leaves them. */
  | { op: 'subscription'; name: string; subscribed: boolean }

/** One atomic, durable step of an account. Everything in it becomes true together, or nothing does. */
export interface MailboxCommit {
  state: AccountMailboxState
  entry: JournalEntry
  putMailboxes: MailboxRecord[]
  /** Their messages go with them, those put by earlier commits that are still on their way too. */
  deleteMailboxes: MailboxId[]
  putMessages: { mailbox: MailboxId; record: MessageRecord }[]
  deleteMessages: { mailbox: MailboxId; uid: number }[]
  putInfos: MessageInfo[]
  deleteInfos: string[]
  /** Remembered for `deliveryIdKeepMs` (30 days), so that a delivery that comes twice is put in once. */
  deliveryIds: { id: string; atMs: number }[]
  /** Which thread a Message-ID belongs to; `key` is a hash of it. */
  putThreads?: { key: string; threadId: string }[]
  putReaders?: { mailbox: MailboxId; reader: ReaderRecord }[]
  putSeen?: { mailbox: MailboxId; user: AccountId; mark: SeenMark }[]
  deleteSeen?: { mailbox: MailboxId; user: AccountId; uid: number }[]
  putAnnotations?: AnnotationRecord[]
  deleteAnnotations?: Omit<AnnotationRecord, 'value'>[]
  /** The index of shares: whom a mailbox is shared with. */
  putShares?: Share[]
  deleteShares?: Share[]
}

export interface Share {
  /** An account or `anyone`. */
  grantee: string
  mailbox: MailboxId
}

export interface LoadedState {
  state: AccountMailboxState
  mailboxes: MailboxRecord[]
  readers: { mailbox: MailboxId; reader: ReaderRecord }[]
}

export interface MailboxStore {
  /** After a failed commit of the account it may throw that commit's error, until the store can be written again. */
  loadState(accountId: AccountId): Promise<LoadedState | undefined>
  /** Ascending UIDs. */
  loadMessages(accountId: AccountId, mailbox: MailboxId): Promise<MessageRecord[]>
  loadInfos(accountId: AccountId, emailIds: readonly string[]): Promise<(MessageInfo | undefined)[]>
  /**
   * Resolves after fsync; commits of one account become durable in the order of the calls; concurrent ones are joined in
   * one batch. When one fails, every later one of that account fails too, until `loadState` was called for it.
   */
  commit(commit: MailboxCommit): Promise<void>
  hasDelivery(accountId: AccountId, deliveryId: string): Promise<boolean>
  /** Thread ids by key, as put by commits; in the order asked. */
  loadThreads(accountId: AccountId, keys: readonly string[]): Promise<(string | undefined)[]>
  /** Keeps what was parsed again. Best effort: it can always be parsed once more. */
  saveInfos(accountId: AccountId, infos: readonly MessageInfo[]): void
  /** Entries with seq > `afterSeq`, ascending. */
  journal(accountId: AccountId, afterSeq: number): AsyncIterable<JournalEntry>
  /** UIDs expunged from the mailbox by entries with seq > `afterSeq`, ascending, each once. */
  expunged(accountId: AccountId, mailbox: MailboxId, afterSeq: number): Promise<number[]>
  /** Ascending UIDs. */
  loadSeen(accountId: AccountId, mailbox: MailboxId, user: AccountId): Promise<SeenMark[]>
  /** Of a mailbox, or of the account itself (null); everybody's, in order of user and name. */
  loadAnnotations(accountId: AccountId, mailbox: MailboxId | null): Promise<AnnotationRecord[]>
  /** What is shared with somebody, by owner: an index of all accounts' ACLs. In order. */
  sharedWith(grantee: string): Promise<{ owner: AccountId; mailbox: MailboxId }[]>
  /** Annotations of the server that everybody sees; `mailbox` and `user` are null. */
  loadServerAnnotations(): Promise<AnnotationRecord[]>
  /** Durable when it resolves. @param value null: removed */
  putServerAnnotation(name: string, value: string | null): Promise<void>
  deleteAccount(accountId: AccountId): Promise<void>
}

/* ------------------------------------------------------------------ the face to the front doors */

/** Opens accounts. One `AccountMailboxes` per account is shared by all sessions, the single writer of that account. */
export interface Mailboxes {
  /** Makes INBOX, Sent, Drafts, Trash, Junk and Archive. Does nothing when the account has mailboxes already. */
  createAccount(accountId: AccountId, options: { quotaBytes: number; epoch: number }): Promise<void>
  deleteAccount(accountId: AccountId): Promise<void>
  /** @throws SkeinError `no-such-account`. Dispose (or `close()`) when done: the last one lets go of the memory after a while. */
  open(accountId: AccountId): Promise<AccountMailboxes>
  /**
   * Somebody's mailboxes as another user sees them: only those with the `l` right, with that user's own \Seen and
   * subscriptions; everything is held to that user's rights. For the owner the same as `open`. @throws `no-such-account`
   */
  openShared(owner: AccountId, user: AccountId): Promise<AccountMailboxes>
  /** Owners with a mailbox that is shared with the account, or with anyone. In order. */
  sharersWith(accountId: AccountId): Promise<readonly AccountId[]>
  /** Annotations of the server that everybody sees (RFC 5464), by name. */
  serverAnnotations(): Promise<ReadonlyMap<string, string>>
  /** @throws `annotation-invalid`, `annotation-too-big`, `too-many-annotations` */
  setServerAnnotations(
    changes: readonly Omit<AnnotationChange, 'shared'>[],
    options?: { origin?: unknown },
  ): Promise<void>
  /** Called with the names of annotations of the server that were set, and by whom. Returns the way to stop. */
  onServerAnnotations(listener: (names: readonly string[], origin: unknown) => void): () => void
  close(): Promise<void>
}

export interface NewMessage {
  /** Already durable in the message log. */
  blob: BlobRef
  flags: readonly string[]
  internalDateMs: number
  /** Default: a new ULID. */
  emailId?: string
  /** A second delivery with the same id is left out (its result is the string 'duplicate'). */
  deliveryId?: string
  /** What `indexMessage` says of the bytes, where the caller has it; letters to several accounts are parsed once then. */
  index?: MessageIndex
  /** The whole message, where the caller has it: saves reading it back from the log. */
  bytes?: Uint8Array
}

export interface Appended {
  uid: number
  emailId: string
  uidValidity: number
}

export type FlagChange = { mode: 'add' | 'remove' | 'replace'; flags: readonly string[] }

export interface StoreResult {
  /** Records as they are now, in ascending UID; those that changed nothing are not listed. */
  changed: MessageRecord[]
  /** UIDs left alone because their MODSEQ was above `unchangedSince` (RFC 7162). */
  modified: number[]
}

/** What a committed journal entry means for a session that watches; given after the change is durable, in journal order. */
export interface AccountChange {
  entry: JournalEntry
  /** Whoever asked for the change, as given in its `origin` option; lets a session tell its own changes. */
  origin: unknown
}

export interface AccountMailboxes extends AsyncDisposable {
  readonly accountId: AccountId
  state(): Readonly<AccountMailboxState>
  /** Committed mailboxes, INBOX first, then by name. */
  list(): readonly Readonly<MailboxRecord>[]
  /** By name; `INBOX` in any case. Undefined when there is none. */
  byName(name: string): Readonly<MailboxRecord> | undefined
  byId(id: MailboxId): Readonly<MailboxRecord> | undefined
  /** What whoever opened the account may do with the mailbox: all for its owner; '' where there is none (RFC 4314 §2.1). */
  rights(mailbox: MailboxId): Rights

  /** Makes missing parents too. A name that is subscribed makes a subscribed mailbox. @throws `mailbox-exists`, `mailbox-name-invalid`, `too-many-mailboxes` */
  create(name: string, options?: { specialUse?: SpecialUse; origin?: unknown }): Promise<MailboxRecord>
  /** Children move along; renaming INBOX moves its messages to the new name (RFC 9051 §6.3.6). @throws `no-such-mailbox`, `mailbox-exists` */
  rename(from: string, to: string, options?: { origin?: unknown }): Promise<void>
  /**
   * A subscription stays with the name, where `subscribedNames` has room.
   * @throws `no-such-mailbox`, `mailbox-has-children`, `mailbox-undeletable` (INBOX)
   */
  delete(name: string, options?: { origin?: unknown }): Promise<void>
  /**
   * The owner may subscribe a name without a mailbox too (RFC 9051 §6.3.7).
   * @throws `mailbox-name-invalid`, `too-many-subscriptions`; for others than the owner `no-such-mailbox`
   */
  subscribe(name: string, subscribed: boolean, options?: { origin?: unknown }): Promise<void>

  /** The messages of a mailbox in ascending UID: the live, committed array, loaded when first asked for. Never change it. */
  messages(mailbox: MailboxId): Promise<readonly MessageRecord[]>
  /** The same without waiting, where it is in memory already. */
  messagesNow(mailbox: MailboxId): readonly MessageRecord[] | undefined
  /** Parsed once at delivery; for what was not, parsed now. In the order asked; undefined where the message is gone. */
  infos(records: readonly MessageRecord[]): Promise<(MessageInfo | undefined)[]>
  /** Bytes [start, end) of the whole message. */
  body(record: MessageRecord, start?: number, end?: number): Promise<Uint8Array>
  stream(record: MessageRecord, start?: number, end?: number): AsyncIterable<Uint8Array>

  /**
   * Puts messages in, all or none, in one commit. @throws `no-such-mailbox`, `over-quota`, `too-many-keywords`,
   * `flag-invalid`.
   * Results in the order given.
   */
  append(
    mailbox: MailboxId,
    messages: readonly NewMessage[],
    options?: { origin?: unknown },
  ): Promise<(Appended | 'duplicate')[]>
  /** UIDs that are not there are passed over. @throws `no-such-mailbox`, `too-many-keywords`, `flag-invalid` */
  store(
    mailbox: MailboxId,
    uids: readonly number[],
    change: FlagChange,
    options?: { unchangedSince?: number; origin?: unknown },
  ): Promise<StoreResult>
  /** New copies share the bytes. Results: pairs in ascending source UID. @throws `no-such-mailbox`, `over-quota` */
  copy(from: MailboxId, uids: readonly number[], to: MailboxId, options?: { origin?: unknown }): Promise<CopyResult>
  /** Atomic: a message is in exactly one of the two at any moment. */
  move(from: MailboxId, uids: readonly number[], to: MailboxId, options?: { origin?: unknown }): Promise<CopyResult>
  /** Removes these UIDs for good. Results: those removed, ascending. */
  expunge(mailbox: MailboxId, uids: readonly number[], options?: { origin?: unknown }): Promise<number[]>

  /**
   * A message in the place of another one: the new one is in and the old one gone in one commit (RFC 8508).
   * @throws `no-such-message` where it is gone, and what `append` throws
   */
  replace(
    mailbox: MailboxId,
    uid: number,
    message: NewMessage,
    options?: { to?: MailboxId; origin?: unknown },
  ): Promise<Appended>
  /**
   * UIDs expunged since a MODSEQ, ascending; some may never have been known to whoever asks. Undefined where the memory of
   * expunges does not go back so far. @throws `no-such-mailbox`
   */
  vanished(mailbox: MailboxId, sinceModseq: number): Promise<readonly number[] | undefined>

  /** Changes one entry of the mailbox's list; the owner's rights are not in it and can't be. @throws `too-many-acl-entries` */
  setAcl(mailbox: MailboxId, entry: AclEntry, change: AclChange, options?: { origin?: unknown }): Promise<void>
  /** Shared ones and one's own, of a mailbox or of the account itself (null), by name in order. */
  annotations(mailbox: MailboxId | null): Promise<Annotation[]>
  /** All or none. @throws `annotation-invalid`, `annotation-too-big`, `too-many-annotations` */
  setAnnotations(
    mailbox: MailboxId | null,
    changes: readonly AnnotationChange[],
    options?: { origin?: unknown },
  ): Promise<void>

  /** A number: bytes; the other limits stay. */
  setQuota(limits: number | Partial<QuotaLimits>): Promise<void>
  /** Called after each committed change. Returns the way to stop. */
  onChange(listener: (change: AccountChange) => void): () => void
}

export interface Annotation {
  shared: boolean
  name: string
  value: string
}

/** `value` null: removed. */
export type AnnotationChange = Omit<Annotation, 'value'> & { value: string | null }

export interface CopyResult {
  uidValidity: number
  pairs: { from: number; to: number }[]
}

/* ------------------------------------------------------------------ full-text search */

/** Told of what happens to accounts, after it is durable. */
export interface AccountFollower {
  changed(accountId: AccountId, change: AccountChange): void
  deleted(accountId: AccountId): void
}

export type TextField = 'text' | 'body' | 'subject' | 'from' | 'to' | 'cc' | 'bcc' | 'header'

/** Finds messages whose field holds `text`, case and form of letters aside (`foldText` of @skein/mail). */
export interface TextQuery {
  field: TextField
  /** Of the header field, lower case; for `header`. */
  name?: string
  text: string
}

export interface TextFindings {
  uidValidity: number
  /** What follows is the truth about messages with UIDs up to here; those above were not looked at. */
  coveredUid: number
  /** By query: UIDs that it finds, ascending. Some may be gone from the mailbox by now. */
  hits: Uint32Array[]
  /** UIDs, ascending, that were not looked at either. */
  unsure: Uint32Array
}

export interface RankedMessage {
  uid: number
  score: number
}

/** An index beside the mailboxes: best effort, never in the way; what it does not cover is looked at itself. */
export interface TextIndex {
  /** Someone reads this account: its messages are worth being indexed. */
  attend(accountId: AccountId): void
  /** Undefined where nothing is indexed. Never rejects. */
  find(
    mailboxes: AccountMailboxes,
    mailbox: MailboxId,
    queries: readonly TextQuery[],
  ): Promise<TextFindings | undefined>
  /** Looks at messages themselves, in another thread: by record, then by query; undefined where that can't be done. */
  examine(
    mailboxes: AccountMailboxes,
    records: readonly MessageRecord[],
    queries: readonly TextQuery[],
  ): Promise<(boolean[] | undefined)[]>
  /** Messages that hold some of the words (whole words), best first. Undefined where nothing is indexed. */
  rank(
    mailboxes: AccountMailboxes,
    mailbox: MailboxId,
    words: string,
    limit: number,
  ): Promise<RankedMessage[] | undefined>
}

export const mailboxLimits = {
  mailboxNameBytesMax: 1024,
  mailboxDepthMax: 32,
  mailboxesPerAccountMax: 10_000,
  /** Names subscribed without a mailbox; they are written with every change of the account. */
  subscribedNamesMax: 200,
  keywordsPerMailboxMax: 200,
  keywordBytesMax: 255,
  aclEntriesMax: 200,
  /** Of one mailbox or account, for each user and shared. */
  annotationsMax: 100,
  annotationNameBytesMax: 255,
  annotationDepthMax: 10,
  annotationValueBytesMax: 65_536,
  deliveryIdKeepMs: 30 * 24 * 3600 * 1000,
} as const
