// What NOTIFY SET asked to be told (RFC 5465): events of other mailboxes as STATUS and LIST, and which of the selected
// one's. A session has one at the most; without it nothing is noted and nothing costs.
import type { AccountChange, AccountMailboxes, JournalOp, MailboxRecord } from '@skein/mailboxes'
import type { Context } from '../commands/command.ts'
import { fetchUnasked } from '../fetch/unasked-fetch.ts'
import { matchesFilter, type Filtered } from '../mailbox-filter.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import type { AnnounceMoment, News, NewsSource } from '../news.ts'
import type { MailboxView } from '../view.ts'
import { deletedAnswer, listAnswer, metadataAnswer, nameAnswer, statusAnswer } from './mailbox-answers.ts'
import { isSelected } from './notify-request.ts'
import type { EventGroup, EventName } from './notify-request.ts'

/** A mailbox as it was when it was last looked at. */
type Known = Pick<MailboxAccess, 'mailboxes' | 'record' | 'ownerName'>

/** What has happened to the messages of another mailbox. */
type Happened = 'messages' | 'flags'

const notifiers = new WeakMap<News, Notifier>()

/** NOTIFY decides what the session is told (RFC 5465 §3.1). */
export function hasNotifier(news: News): boolean {
  return notifiers.has(news)
}

/** From now on these events are told, and no others. */
export function notifyOf(context: Context, groups: readonly EventGroup[], known: readonly MailboxAccess[]): Notifier {
  const before = notifiers.get(context.news)
  if (before !== undefined) context.news.remove(before)
  const notifier = new Notifier(context, groups, known)
  notifiers.set(context.news, notifier)
  context.news.add(notifier)
  return notifier
}

export class Notifier implements NewsSource {
  readonly #context: Context
  #groups: readonly EventGroup[]
  readonly #selected: EventGroup | undefined
  /** By the mailbox's id. */
  readonly #known: Map<string, Known>
  /** Mailboxes whose STATUS is to be told, by id. */
  readonly #statuses = new Map<string, Happened>()
  /** LIST answers to be told. */
  #lists: string[] = []
  /** Annotations that have changed; of the server where `mailbox` is null. */
  readonly #metadata = new Map<string, { mailbox: string | null; entry: string }>()
  #overflowed = false
  #stopServer: (() => void) | undefined
  /** Messages that this session put in the selected mailbox itself. */
  readonly #own = new Set<number>()
  /** The view before it is told of, and the newest message that it had then. */
  #told: { view: MailboxView; largestUid: number } | undefined

  constructor(context: Context, groups: readonly EventGroup[], known: readonly MailboxAccess[]) {
    this.#context = context
    this.#groups = groups.filter(({ filter }) => !isSelected(filter))
    this.#selected = groups.find(({ filter }) => isSelected(filter))
    this.#known = new Map(
      known.map(({ mailboxes, record, ownerName }) => [record.id, { mailboxes, record, ownerName }]),
    )
    for (const { mailboxes } of known) context.news.follow(mailboxes)
    if (this.#wantsServer) {
      this.#stopServer = context.services.mailboxes.onServerAnnotations((names, origin) => {
        if (origin !== context.origin) this.#noteServer(names)
      })
    }
    const events = this.#selected?.events
    context.news.selected = {
      messages: events?.has('MessageNew') === true,
      flags: events?.has('FlagChange') === true,
      uid: true,
    }
  }

  stop(): void {
    this.#stopServer?.()
    if (notifiers.get(this.#context.news) === this) notifiers.delete(this.#context.news)
  }

  get #wantsServer(): boolean {
    return this.#groups.some(({ events }) => events.has('ServerMetadataChange'))
  }

  get hasNews(): boolean {
    return this.#overflowed || this.#statuses.size > 0 || this.#lists.length > 0 || this.#metadata.size > 0
  }

  /** RFC 5465 §6.1.1: with SELECTED, EXPUNGE may come at any time. */
  get pushes(): 'all' | 'no-expunges' {
    return this.#selected?.filter.kind === 'SELECTED' ? 'all' : 'no-expunges'
  }

  /* ---------------------------------------------------------------- noting */

  note(change: AccountChange, mailboxes: AccountMailboxes): void {
    // RFC 5465 §5: what the client did itself is not told.
    const own = change.origin === this.#context.origin
    for (const op of change.entry.ops) {
      if (op.op === 'mailbox') this.#noteMailbox(op.mailbox, mailboxes, own)
      else if (op.op === 'mailbox-delete') this.#noteDeleted(op.mailbox, own)
      else if (op.op === 'reader') this.#noteReader(op, mailboxes, own)
      // Beside another operation a mailbox of that name came or went: the name was subscribed before, and is.
      else if (op.op === 'subscription') {
        if (!own && change.entry.ops.length === 1 && mailboxes === this.#account) this.#noteSubscription(op)
      } else if (op.op === 'annotation') this.#noteAnnotation(op, own)
      else if (op.op === 'seen' && op.user === this.#account?.accountId) {
        if (!own && !this.#isSelected(op.mailbox)) this.#noteMessage(op.mailbox, 'flags')
      } else if (op.op === 'add' || op.op === 'expunge' || op.op === 'flags') {
        if (this.#isSelected(op.mailbox)) {
          if (own && op.op === 'add') this.#own.add(op.message.uid)
        } else if (!own) this.#noteMessage(op.mailbox, op.op === 'flags' ? 'flags' : 'messages')
      }
    }
  }

  #isSelected(mailbox: string): boolean {
    const { state } = this.#context
    return state.kind === 'selected' && state.view.mailbox === mailbox
  }

  #wants(event: EventName, known: Filtered): boolean {
    return this.#groups.some(({ filter, events }) => events.has(event) && matchesFilter(filter, known))
  }

  #noteMessage(mailbox: string, happened: Happened): void {
    const known = this.#known.get(mailbox)
    const noted = this.#statuses.get(mailbox)
    if (known === undefined || noted === 'messages' || noted === happened) return
    if (!this.#wants(happened === 'flags' ? 'FlagChange' : 'MessageNew', known)) return
    // RFC 5465 §5.9: only of what may be read.
    if (!known.mailboxes.rights(mailbox).includes('r')) return
    this.#statuses.set(mailbox, happened)
    this.#checkRoom()
  }

  #noteMailbox(record: Readonly<MailboxRecord>, mailboxes: AccountMailboxes, own: boolean): void {
    const before = this.#known.get(record.id)
    const foreign = mailboxes !== this.#account
    // A mailbox that somebody else makes is known once it is shared: at the next NOTIFY.
    if (before === undefined && foreign) return
    // Of somebody else's mailbox this user's own face: it may be gone, and has a subscription of its own.
    const shown = foreign ? mailboxes.byId(record.id) : record
    if (shown === undefined) return this.#noteDeleted(record.id, own)
    const known: Known = { mailboxes, record: shown, ownerName: before?.ownerName }
    this.#known.set(record.id, known)
    if (own) return
    const oldName = before !== undefined && before.record.name !== shown.name ? before.record.name : undefined
    const named = (before === undefined || oldName !== undefined) && this.#wants('MailboxName', known)
    const subscribed = before !== undefined && before.record.subscribed !== shown.subscribed
    if (named || (subscribed && this.#wants('SubscriptionChange', known))) {
      this.#lists.push(listAnswer(this.#context, known, named ? oldName : undefined))
      this.#checkRoom()
    }
  }

  #noteReader(
    { mailbox, user }: Extract<JournalOp, { op: 'reader' }>,
    mailboxes: AccountMailboxes,
    own: boolean,
  ): void {
    const record = mailboxes.byId(mailbox)
    if (record !== undefined && user === this.#account?.accountId) this.#noteMailbox(record, mailboxes, own)
  }

  /** RFC 5465 §5.5, of a name without a mailbox. */
  #noteSubscription({ name, subscribed }: Extract<JournalOp, { op: 'subscription' }>): void {
    if (!this.#wants('SubscriptionChange', { record: { name, subscribed }, ownerName: undefined })) return
    this.#lists.push(nameAnswer(this.#context, name, subscribed))
    this.#checkRoom()
  }

  get #account(): AccountMailboxes | undefined {
    const { state } = this.#context
    return state.kind === 'authenticated' || state.kind === 'selected' ? state.account.mailboxes : undefined
  }

  #noteDeleted(mailbox: string, own: boolean): void {
    const known = this.#known.get(mailbox)
    this.#known.delete(mailbox)
    this.#statuses.delete(mailbox)
    if (known === undefined || own || !this.#wants('MailboxName', known)) return
    this.#lists.push(deletedAnswer(this.#context, known))
    this.#checkRoom()
  }

  /** Names of entries are told, and those of one's own and shared ones only. */
  #noteAnnotation({ mailbox, user, name }: Extract<JournalOp, { op: 'annotation' }>, own: boolean): void {
    if (own || (user !== null && user !== this.#account?.accountId)) return
    const known = mailbox === null ? undefined : this.#known.get(mailbox)
    if (mailbox !== null && (known === undefined || !this.#wants('MailboxMetadataChange', known))) return
    if (mailbox === null && !this.#wantsServer) return
    this.#addMetadata(mailbox, `/${user === null ? 'shared' : 'private'}${name}`)
  }

  #noteServer(names: readonly string[]): void {
    if (!this.#wantsServer) return
    for (const name of names) this.#addMetadata(null, `/shared${name}`)
    this.#context.news.plan()
  }

  #addMetadata(mailbox: string | null, entry: string): void {
    this.#metadata.set(`${mailbox ?? ''} ${entry}`, { mailbox, entry })
    this.#checkRoom()
  }

  /** RFC 5465 §5.8: who takes too little is told nothing more. */
  #checkRoom(): void {
    if (this.#lists.length + this.#statuses.size + this.#metadata.size <= this.#context.limits.notifyWaitingMax) return
    this.#overflowed = true
    this.#groups = []
    this.#lists = []
    this.#statuses.clear()
    this.#metadata.clear()
  }

  /* ---------------------------------------------------------------- telling */

  async *announce({ when }: AnnounceMoment): AsyncGenerator<string> {
    if (when === 'before') {
      const { state } = this.#context
      this.#told = state.kind === 'selected' ? { view: state.view, largestUid: state.view.largestUid } : undefined
      return
    }
    if (this.#overflowed) {
      this.#overflowed = false
      this.#context.news.selected = { messages: false, flags: false, uid: true }
      yield '* OK [NOTIFICATIONOVERFLOW] Too much happens: nothing more is told\r\n'
      return
    }
    await this.#fetchNew()
    const lists = this.#lists
    this.#lists = []
    yield* lists
    yield* this.#metadataAnswers()
    const statuses = [...this.#statuses]
    this.#statuses.clear()
    for (const [mailbox, happened] of statuses) {
      const known = this.#known.get(mailbox)
      const record = known?.mailboxes.byId(mailbox)
      if (known === undefined || record === undefined || this.#isSelected(mailbox)) continue
      yield statusAnswer(this.#context, { ...known, record }, happened === 'flags')
    }
  }

  *#metadataAnswers(): Generator<string> {
    const changed = [...this.#metadata.values()]
    this.#metadata.clear()
    for (const { mailbox, entry } of changed) {
      const known = mailbox === null ? undefined : this.#known.get(mailbox)
      if (mailbox === null || known !== undefined) yield metadataAnswer(this.#context, known, [entry])
    }
  }

  /** RFC 5465 §5.2: what was asked of new messages follows their EXISTS. */
  async #fetchNew(): Promise<void> {
    const { state } = this.#context
    const told = this.#told
    if (state.kind !== 'selected' || told?.view !== state.view || this.#selected === undefined) return
    const uids: number[] = []
    for (let at = state.view.count - 1; at >= 0 && state.view.uidAt(at) > told.largestUid; at--) {
      const uid = state.view.uidAt(at)
      if (!this.#own.delete(uid)) uids.push(uid)
    }
    await fetchUnasked(this.#context, state, this.#selected.items, uids.reverse())
  }
}
