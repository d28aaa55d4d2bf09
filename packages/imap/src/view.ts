// One session's own view of its mailbox: which message has which sequence number, and what it has not been told yet.
// Promises: numbers move only in `announce` with `expunges`; a message gone for others keeps its number until then.
import { allRights, permittedFlags } from '@skein/mailboxes'
import type { AccountChange, MailboxId, MailboxRecord, MessageRecord, Rights } from '@skein/mailboxes'
import type { Enabled } from './session.ts'
import { formatNumbers, isOpenEnded, resolveSet } from './wire/sequence-set.ts'
import type { NumberRange, SequenceSet } from './wire/sequence-set.ts'
import { fault } from './wire/syntax-error.ts'

/** Messages by their place in the view, counted from 0; both ends included. */
export type Span = NumberRange

export interface AnnounceOptions {
  /** Whether EXPUNGE may be said now (RFC 9051 §7.5.1). */
  expunges: boolean
  enabled: Enabled
  /** False: changed flags are not told, and not told later. Default true. */
  flags?: boolean
  /** Whether they are told with the UID. Default: as enabled. */
  uid?: boolean | undefined
}

export const SYSTEM_FLAGS = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft'] as const

export class MailboxView {
  readonly mailbox: MailboxId
  readonly readOnly: boolean
  /** What the session may do with it (RFC 4314). */
  rights: Rights = allRights
  /** Keywords that the client knows of, by FLAGS. */
  readonly keywords = new Set<string>()
  /** The mailbox was deleted under us. */
  gone = false
  /** UIDs of the last SEARCH RETURN (SAVE) (RFC 5182), ascending. */
  savedSearch: readonly number[] = []
  /** Sequence numbers are switched off (RFC 9586). */
  uidOnly = false
  readonly #origin: unknown
  #uids: Uint32Array
  #count = 0
  #expunged = new Set<number>()
  #changed = new Set<number>()
  #grown = false

  /** @param live the mailbox's messages now. @param origin by which the session knows its own changes. */
  constructor(
    mailbox: Pick<MailboxRecord, 'id' | 'keywords' | 'highestModseq'>,
    readOnly: boolean,
    live: readonly MessageRecord[],
    origin: unknown,
  ) {
    this.mailbox = mailbox.id
    this.readOnly = readOnly
    this.#origin = origin
    this.#learn(mailbox.keywords ?? [])
    this.#uids = uidsOf(live, mailbox.highestModseq).slice()
    this.#count = live.length
  }

  get count(): number {
    return this.#count
  }

  get largestUid(): number {
    return this.#count === 0 ? 0 : (this.#uids[this.#count - 1] as number)
  }

  uidAt(index: number): number {
    return this.#uids[index] as number
  }

  /** @returns the place of `uid`, or of the first above it as -1 - place. */
  #place(uid: number): number {
    let low = 0
    let high = this.#count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = this.#uids[middle] as number
      if (found === uid) return middle
      if (found < uid) low = middle + 1
      else high = middle - 1
    }
    return -1 - low
  }

  /** @returns -1 where the view has no such message. */
  indexOf(uid: number): number {
    return Math.max(-1, this.#place(uid))
  }

  *uids(): Generator<number> {
    for (let index = 0; index < this.#count; index++) yield this.#uids[index] as number
  }

  /**
   * The messages a command names.
   * @throws SyntaxFault where a sequence number is above the count (RFC 9051 §9 seq-number).
   */
  spans(set: SequenceSet, by: 'sequence' | 'uid'): Span[] {
    if (set.kind === 'saved') return this.#spansOfUids(this.savedSearch)
    if (by === 'sequence') {
      if (this.uidOnly) fault('sequence numbers are switched off: use UIDs', 'UIDREQUIRED')
      const ranges = resolveSet(set.ranges, this.#count)
      const last = ranges[ranges.length - 1]
      if (last !== undefined && last.last > this.#count) fault('there is no message with that sequence number')
      if (last === undefined && !set.ranges.every(isOpenEnded)) fault('the mailbox is empty')
      return ranges.map((range) => ({ first: range.first - 1, last: range.last - 1 }))
    }
    const spans: Span[] = []
    for (const range of resolveSet(set.ranges, this.largestUid)) {
      const low = this.#place(range.first)
      const high = this.#place(range.last)
      const first = low >= 0 ? low : -1 - low
      const last = high >= 0 ? high : -2 - high
      if (first <= last) spans.push({ first, last })
    }
    return spans
  }

  #spansOfUids(uids: readonly number[]): Span[] {
    const spans: Span[] = []
    for (const uid of uids) {
      const index = this.indexOf(uid)
      if (index === -1) continue
      const before = spans[spans.length - 1]
      if (before !== undefined && before.last === index - 1) before.last = index
      else spans.push({ first: index, last: index })
    }
    return spans
  }

  /** UIDs of the spans, ascending. */
  uidsOf(spans: readonly Span[]): number[] {
    const uids: number[] = []
    for (const span of spans) {
      for (let index = span.first; index <= span.last; index++) uids.push(this.#uids[index] as number)
    }
    return uids
  }

  /** Whether the message was expunged by someone and the client has not been told yet. */
  isExpunged(uid: number): boolean {
    return this.#expunged.has(uid)
  }

  /** How many messages' expunges and changes are still to be told. */
  get newsCount(): number {
    return this.#expunged.size + this.#changed.size
  }

  get hasNews(): boolean {
    return this.gone || this.#grown || this.#expunged.size > 0 || this.#changed.size > 0
  }

  /** Takes in one committed change of the account. */
  note(change: AccountChange): void {
    for (const op of change.entry.ops) {
      if (!('mailbox' in op) || op.op === 'mailbox' || op.mailbox !== this.mailbox) continue
      if (op.op === 'add') this.#grown = true
      else if (op.op === 'expunge') this.noteExpunged([op.uid])
      else if (op.op === 'mailbox-delete') this.gone = true
      // A session's own flag changes are answered by the command that made them.
      else if (op.op !== 'flags') continue
      else if (change.origin !== this.#origin && op.uid <= this.largestUid) this.#changed.add(op.uid)
    }
  }

  noteExpunged(uids: readonly number[]): void {
    for (const uid of uids) if (this.#place(uid) >= 0) this.#expunged.add(uid)
  }

  noteGrown(): void {
    this.#grown = true
  }

  #learn(flags: readonly string[]): boolean {
    let news = false
    for (const flag of flags) {
      if (flag.charCodeAt(0) === 0x5c || this.keywords.has(flag)) continue
      this.keywords.add(flag)
      news = true
    }
    return news
  }

  /** The FLAGS and PERMANENTFLAGS answers, where `flags` hold a keyword that the client has not heard of. */
  learnKeywords(flags: readonly string[]): string {
    return this.#learn(flags) ? this.flagsAnswer() : ''
  }

  flagsAnswer(): string {
    const names = [...SYSTEM_FLAGS, ...this.keywords].join(' ')
    // RFC 4314 §5.2: those that the rights allow.
    const allowed = permittedFlags(names.split(' '), this.rights)
    const permanent = this.readOnly ? '' : [...allowed, ...(this.rights.includes('w') ? ['\\*'] : [])].join(' ')
    return `* FLAGS (${names})\r\n* OK [PERMANENTFLAGS (${permanent})] Flags that are kept\r\n`
  }

  /** Says what has changed since the last time, as far as `options` allow, and renumbers. */
  *announce(live: readonly MessageRecord[], options: AnnounceOptions): Generator<string, void> {
    if (options.expunges && this.#expunged.size > 0) yield* this.#announceExpunged(options.enabled)
    if (this.#grown) yield this.#announceGrown(live)
    if (this.#changed.size > 0) yield* this.#announceChanged(live, options)
  }

  *#announceExpunged({ qresync, uidOnly }: Enabled): Generator<string, void> {
    const gone = this.#expunged
    const indexes: number[] = []
    let kept = 0
    for (let index = 0; index < this.#count; index++) {
      const uid = this.#uids[index] as number
      if (gone.has(uid)) indexes.push(index)
      else this.#uids[kept++] = uid
    }
    this.#count = kept
    this.#expunged = new Set()
    for (const uid of gone) this.#changed.delete(uid)
    if (this.savedSearch.length > 0) this.savedSearch = this.savedSearch.filter((uid) => !gone.has(uid))
    // RFC 7162 §3.2.10, RFC 9586 §3.
    if (qresync || uidOnly) {
      yield `* VANISHED ${formatNumbers([...gone].sort((a, b) => a - b))}\r\n`
      return
    }
    // From the highest down, so that each number is still the one it had.
    for (let at = indexes.length - 1; at >= 0; at--) yield `* ${(indexes[at] as number) + 1} EXPUNGE\r\n`
  }

  #announceGrown(live: readonly MessageRecord[]): string {
    this.#grown = false
    const largest = this.largestUid
    let first = live.length
    while (first > 0 && (live[first - 1] as MessageRecord).uid > largest) first--
    if (first === live.length) return ''
    let news = false
    const count = this.#count + live.length - first
    if (count > this.#uids.length) {
      const larger = new Uint32Array(count + Math.ceil(count / 8))
      larger.set(this.#uids.subarray(0, this.#count))
      this.#uids = larger
    }
    for (const record of live.slice(first)) {
      this.#uids[this.#count++] = record.uid
      if (this.#learn(record.flags)) news = true
    }
    return `${news ? this.flagsAnswer() : ''}* ${this.#count} EXISTS\r\n`
  }

  *#announceChanged(live: readonly MessageRecord[], options: AnnounceOptions): Generator<string, void> {
    const changed = [...this.#changed].sort((a, b) => a - b)
    this.#changed.clear()
    if (options.flags === false) return
    for (const uid of changed) {
      const index = this.indexOf(uid)
      const record = findRecord(live, uid, index)
      if (index === -1 || record === undefined) continue
      yield this.learnKeywords(record.flags) + flagsFetch(index + 1, record, options.enabled, options.uid)
    }
  }
}

/** How an answer about a message begins: FETCH, or UIDFETCH where sequence numbers are switched off (RFC 9586). */
export function fetchHead(sequence: number, uid: number, enabled: Enabled): string {
  return enabled.uidOnly ? `* ${uid} UIDFETCH (` : `* ${sequence} FETCH (`
}

/** Whether an answer that nobody asked for names its UID (RFC 7162 §3.2.4, RFC 9051 §7.5.2). */
export function tellsUid({ qresync, rev2, uidOnly }: Enabled): boolean {
  return (qresync || rev2) && !uidOnly
}

/** One FETCH answer that tells a message's flags. */
export function flagsFetch(sequence: number, record: MessageRecord, enabled: Enabled, uid = tellsUid(enabled)): string {
  const shownUid = uid && !enabled.uidOnly ? `UID ${record.uid} ` : ''
  const shownModseq = enabled.condstore ? ` MODSEQ (${record.modseq})` : ''
  const head = fetchHead(sequence, record.uid, enabled)
  return `${head}${shownUid}FLAGS (${record.flags.join(' ')})${shownModseq})\r\n`
}

/** Finds by UID in ascending records. @param guess where it is likely to be. */
export function findRecord(live: readonly MessageRecord[], uid: number, guess: number): MessageRecord | undefined {
  const guessed = live[guess]
  if (guessed !== undefined && guessed.uid === uid) return guessed
  const index = firstNotBelow(live, uid)
  const record = live[index]
  return record !== undefined && record.uid === uid ? record : undefined
}

/** Place of the first record whose UID is not below `uid`. */
export function firstNotBelow(live: readonly MessageRecord[], uid: number): number {
  let low = 0
  let high = live.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((live[middle] as MessageRecord).uid < uid) low = middle + 1
    else high = middle
  }
  return low
}

/** UIDs of lists that were opened lately: every change of a mailbox raises its MODSEQ. */
const knownUids = new WeakMap<readonly MessageRecord[], { modseq: number; uids: Uint32Array }>()

function uidsOf(live: readonly MessageRecord[], modseq: number): Uint32Array {
  const known = knownUids.get(live)
  if (known?.modseq === modseq && known.uids.length === live.length) return known.uids
  const uids = new Uint32Array(live.length)
  for (let index = 0; index < live.length; index++) uids[index] = (live[index] as MessageRecord).uid
  if (live.length >= KNOWN_UIDS_FROM) knownUids.set(live, { modseq, uids })
  return uids
}

/** Smaller ones are made as fast as they are found. */
const KNOWN_UIDS_FROM = 4096
