// What happens in the account while a session is open: noted as it is committed, told when it may be told.
// Promises: a waiting session is woken once for all that is committed in the same moment.
import type { AccountChange, AccountMailboxes } from '@skein/mailboxes'
import type { Output } from './output.ts'
import type { Enabled, SessionEvent, SessionState } from './session.ts'
import type { MailboxView } from './view.ts'

export interface AnnounceMoment {
  /** Whether EXPUNGE may be said now (RFC 9051 §7.5.1). */
  expunges: boolean
  /** Before or after the news of the selected mailbox itself. */
  when: 'before' | 'after'
}

/** Something else that a session watches, beside its selected mailbox. */
export interface NewsSource {
  /** Something waits to be told, and may be told now. */
  readonly hasNews: boolean
  /** Told also when no command is in progress; `all`: EXPUNGE too. */
  readonly pushes: 'all' | 'no-expunges' | undefined
  note(change: AccountChange, mailboxes: AccountMailboxes): void
  /** Answers to be sent, each ending in CRLF. */
  announce(moment: AnnounceMoment): AsyncIterable<string> | Iterable<string>
  /** Called when it is listened to no more. */
  stop?(): void
}

export interface NewsSession {
  readonly state: SessionState
  readonly enabled: Enabled
  readonly out: Output
  readonly waiting: boolean
  /** Nothing but news is waited for: they may be told at once (IDLE). */
  readonly watching: boolean
  wake(): void
  leave(text: string): void
  advance(event: SessionEvent): void
}

/** Changes of messages that one session is told in one go, before others have their turn. */
const TOLD_AT_ONCE = 100

/** What of the selected mailbox is told (RFC 5465 §6.1). */
export interface SelectedNews {
  /** New and expunged messages. */
  messages: boolean
  flags: boolean
  /** FETCH answers name their UID, whatever else is enabled. */
  uid: boolean
}

const EVERYTHING: SelectedNews = { messages: true, flags: true, uid: false }

export class News {
  selected = EVERYTHING
  readonly #session: NewsSession
  /** Few sessions have any. */
  #sources: NewsSource[] | undefined
  /** Accounts that are listened to, and how often that was asked for. */
  #followed: Map<AccountMailboxes, { stop: () => void; times: number }> | undefined
  #wakePlanned = false
  /** Changes that were noted. */
  #noted = 0

  constructor(session: NewsSession) {
    this.#session = session
  }

  /** Listens to an account until as many calls of `unfollow`. */
  follow(mailboxes: AccountMailboxes): void {
    this.#followed ??= new Map()
    const known = this.#followed.get(mailboxes)
    if (known !== undefined) known.times++
    else {
      const stop = mailboxes.onChange((change) => this.#note(change, mailboxes))
      this.#followed.set(mailboxes, { stop, times: 1 })
    }
  }

  unfollow(mailboxes: AccountMailboxes): void {
    const known = this.#followed?.get(mailboxes)
    if (known === undefined || --known.times > 0) return
    known.stop()
    this.#followed?.delete(mailboxes)
  }

  /** Listens to nothing any more. */
  stop(): void {
    for (const { stop } of this.#followed?.values() ?? []) stop()
    this.#followed = undefined
    for (const source of this.#sources ?? []) source.stop?.()
    this.#sources = undefined
    this.selected = EVERYTHING
  }

  add(source: NewsSource): void {
    this.#sources = [...(this.#sources ?? []), source]
  }

  remove(source: NewsSource): void {
    source.stop?.()
    const left = this.#sources?.filter((known) => known !== source) ?? []
    this.#sources = left.length === 0 ? undefined : left
  }

  get waiting(): boolean {
    const { state } = this.#session
    if (state.kind === 'selected' && this.#toldOf(state.view)) return true
    return this.#sources?.some((source) => source.hasNews) === true
  }

  #toldOf(view: MailboxView): boolean {
    return view.gone || (this.selected.messages && view.hasNews)
  }

  #note(change: AccountChange, mailboxes: AccountMailboxes): void {
    this.#noted++
    const { state } = this.#session
    if (state.kind === 'selected' && state.mailboxes === mailboxes) state.view.note(change)
    for (const source of this.#sources ?? []) source.note(change, mailboxes)
    this.plan()
  }

  /** Wakes the session where it waits for its client and something is to be told. */
  plan(): void {
    if (this.#wakePlanned || !this.#session.waiting || !this.waiting) return
    this.#wakePlanned = true
    // One look for all that is committed in the same moment.
    setImmediate(() => {
      this.#wakePlanned = false
      if (!this.#tellNow()) this.#session.wake()
    })
  }

  /**
   * The short way for the many that idle: a new message or a few changes, told without a turn for each session.
   * @returns false where it takes more than that.
   */
  #tellNow(): boolean {
    const { state, enabled, out, watching } = this.#session
    if (
      !watching ||
      this.#sources !== undefined ||
      this.selected !== EVERYTHING ||
      state.kind !== 'selected' ||
      out.congested
    )
      return false
    const { view, mailboxes } = state
    if (view.gone || view.newsCount > TOLD_AT_ONCE) return false
    const live = mailboxes.messagesNow(view.mailbox)
    if (live === undefined) return false
    for (const text of view.announce(live, { expunges: true, enabled })) out.text(text)
    out.flush()
    return true
  }

  /** Says what is not to wait for a command or IDLE, where anybody asked for that. @throws ConnectionGone */
  async push(): Promise<void> {
    if (this.#sources === undefined || !this.waiting) return
    let noted: number
    do {
      noted = this.#noted
      const pushes: unknown[] = this.#sources?.map((source) => source.pushes) ?? []
      if (pushes.every((push) => push === undefined)) return
      await this.announce(pushes.includes('all'))
      // What was committed meanwhile wakes nobody: it is told here.
    } while (this.#noted !== noted && this.waiting)
  }

  /** Says all news that may be said now. @throws ConnectionGone */
  async announce(expunges: boolean): Promise<void> {
    if (this.#sources !== undefined) await this.#tell({ expunges, when: 'before' })
    const { state, enabled, out } = this.#session
    if (state.kind === 'selected' && this.#toldOf(state.view)) {
      const { view } = state
      if (view.gone) return this.#loseMailbox()
      const live = await state.mailboxes.messages(view.mailbox)
      const { flags, uid } = this.selected
      const options = { expunges, enabled, flags, uid: uid || undefined }
      for (const text of view.announce(live, options)) {
        out.text(text)
        const pause = out.breathe()
        if (pause) await pause
      }
    }
    if (this.#sources !== undefined) await this.#tell({ expunges, when: 'after' })
  }

  /**
   * The mailbox was deleted, or may no longer be read. Clients that know CLOSED go on without it; the others, which would
   * take the mailbox for selected still, are told to come again (RFC 2180 §3.2).
   */
  #loseMailbox(): void {
    const { enabled, out } = this.#session
    if (!enabled.qresync && !enabled.rev2) return this.#session.leave('The selected mailbox is gone')
    this.#session.advance({ kind: 'deselected' })
    out.text('* OK [CLOSED] The selected mailbox is gone\r\n')
  }

  async #tell(moment: AnnounceMoment): Promise<void> {
    for (const source of this.#sources ?? []) {
      for await (const text of source.announce(moment)) {
        this.#session.out.text(text)
        const pause = this.#session.out.breathe()
        if (pause) await pause
      }
    }
  }
}
