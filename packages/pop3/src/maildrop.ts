// An account's INBOX as one POP3 session sees it: numbered at log-in, marks for deletion carried out at QUIT (RFC 1939 §6).
// Promises: one session for each account; a connection that breaks deletes nothing.
import type { AccountId } from '@skein/accounts'
import type { AccountMailboxes, MailboxId, Mailboxes, MessageRecord } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import { createHash } from 'node:crypto'
import type { Pop3Limits } from './limits.ts'
import { ReadAhead, ReadAheadBudget } from './read-ahead.ts'

interface OpenedInbox {
  account: AccountMailboxes
  inbox: MailboxId
  messages: readonly MessageRecord[]
}

export class Maildrop {
  readonly #account: AccountMailboxes
  readonly #inbox: MailboxId
  readonly #messages: readonly MessageRecord[]
  readonly #release: () => void
  readonly #deleted = new Set<number>()
  readonly #readAhead: ReadAhead
  #octets: number
  #uniqueIds: readonly string[] | null = null
  #isClosed = false

  constructor(opened: OpenedInbox, release: () => void, budget: ReadAheadBudget, limits: Pop3Limits) {
    const { account, inbox, messages } = opened
    this.#account = account
    this.#inbox = inbox
    this.#messages = messages
    this.#release = release
    const source = {
      sizeOf: (number: number) => this.message(number)?.size,
      read: (number: number) => account.body(messages[number - 1] as MessageRecord),
    }
    this.#readAhead = new ReadAhead(source, budget, limits)
    this.#octets = messages.reduce((sum, message) => sum + message.size, 0)
  }

  /** Messages that are not marked. */
  get count(): number {
    return this.#messages.length - this.#deleted.size
  }

  get octets(): number {
    return this.#octets
  }

  /** `number` counts from 1. Undefined where there is none, or it is marked. */
  message(number: number): MessageRecord | undefined {
    return this.#deleted.has(number) ? undefined : this.#messages[number - 1]
  }

  /** Numbers of the messages that are not marked, ascending. */
  *numbers(): Iterable<number> {
    for (let number = 1; number <= this.#messages.length; number++) if (!this.#deleted.has(number)) yield number
  }

  /** RFC 1939 §7 UIDL: made of the message's EMAILID, which it keeps on whatever node it lies. */
  uniqueId(number: number): string {
    this.#uniqueIds ??= uniqueIdsOf(this.#messages)
    return this.#uniqueIds[number - 1] ?? ''
  }

  /** All bytes of a message that exists. A promise only where it must be waited for. */
  whole(number: number): Uint8Array | Promise<Uint8Array> {
    return this.#readAhead.take(number)
  }

  body(message: MessageRecord, start: number, end: number): Promise<Uint8Array> {
    return this.#account.body(message, start, end)
  }

  stream(message: MessageRecord, start = 0): AsyncIterable<Uint8Array> {
    return this.#account.stream(message, start)
  }

  /** False where there is no such message. */
  markDeleted(number: number): boolean {
    const message = this.message(number)
    if (!message) return false
    this.#deleted.add(number)
    this.#octets -= message.size
    return true
  }

  unmarkAll(): void {
    for (const number of this.#deleted) this.#octets += this.#messages[number - 1]?.size ?? 0
    this.#deleted.clear()
  }

  /** The UPDATE state: removes what is marked, for good. @throws SkeinError `deletions-incomplete` where some is still there */
  async update(): Promise<void> {
    const marked = [...this.#deleted].flatMap((number) => this.#messages[number - 1]?.uid ?? [])
    if (marked.length === 0) return
    const uids = marked.toSorted((a, b) => a - b)
    const removed = new Set(await this.#account.expunge(this.#inbox, uids, { origin: this }))
    if (removed.size === uids.length) return
    // Another front door may have been faster: what is not there any more is as good as removed.
    const present = new Set((await this.#account.messages(this.#inbox)).map(({ uid }) => uid))
    const left = uids.filter((uid) => !removed.has(uid) && present.has(uid)).length
    if (left > 0) throw new SkeinError('deletions-incomplete', 'temporary', `${left} deleted messages not removed`)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#readAhead.clear()
    this.#release()
    await this.#account[Symbol.asyncDispose]()
  }
}

/** RFC 1939 §7: up to 70 characters from 0x21 to 0x7E. */
const usable = /^[\x21-\x7e]{1,48}$/

/** A copy in the same mailbox has its original's EMAILID: the later ones are told apart by when they were put there. */
function uniqueIdsOf(messages: readonly MessageRecord[]): string[] {
  const seen = new Set<string>()
  return messages.map(({ emailId, savedDateMs }) => {
    const base = usable.test(emailId) ? emailId : createHash('sha256').update(emailId).digest('base64url')
    let id = base
    for (let copy = 1; seen.has(id); copy++) {
      id = `${base}-${savedDateMs.toString(36)}${copy > 1 ? `.${copy}` : ''}`
    }
    seen.add(id)
    return id
  })
}

/** Opens maildrops, each account's once at a time. */
export class MaildropLocks {
  readonly #mailboxes: Mailboxes
  readonly #held = new Set<AccountId>()
  readonly #limits: Pop3Limits
  readonly #budget: ReadAheadBudget

  constructor(mailboxes: Mailboxes, limits: Pop3Limits) {
    this.#mailboxes = mailboxes
    this.#limits = limits
    this.#budget = new ReadAheadBudget(limits.readAheadTotalBytesMax)
  }

  /** Null where another session has it. @throws SkeinError `no-such-account`, `no-such-mailbox` */
  async open(accountId: AccountId): Promise<Maildrop | null> {
    if (this.#held.has(accountId)) return null
    this.#held.add(accountId)
    const release = () => void this.#held.delete(accountId)
    let account: AccountMailboxes | undefined
    try {
      account = await this.#mailboxes.open(accountId)
      const inbox = account.byName('INBOX')
      if (!inbox) throw new SkeinError('no-such-mailbox', 'permanent', 'the account has no INBOX')
      // A copy: the live array changes under us, while message numbers must not.
      const messages = [...(await account.messages(inbox.id))]
      return new Maildrop({ account, inbox: inbox.id, messages }, release, this.#budget, this.#limits)
    } catch (error) {
      release()
      await account?.[Symbol.asyncDispose]()
      throw error
    }
  }
}
