// Annotations that others change, told to a session that said ENABLE METADATA (RFC 5464 §4.4.2): names, never values.
// A session that did not say it has none of these, and nothing costs. Where NOTIFY was said, that decides what is told.
import type { AccountChange, AccountMailboxes, JournalOp } from '@skein/mailboxes'
import { accountOf } from './commands/command.ts'
import type { Context } from './commands/command.ts'
import { listMailboxes } from './mailbox-access.ts'
import type { AnnounceMoment, News, NewsSource } from './news.ts'
import { metadataAnswer } from './notify/mailbox-answers.ts'
import { hasNotifier } from './notify/notifier.ts'

type AnnotationOp = Extract<JournalOp, { op: 'annotation' }>

/** Entries of one mailbox, or of the server. */
interface Changed {
  mailboxes: AccountMailboxes
  entries: Set<string>
}

const tellers = new WeakMap<News, AnnotationNews>()

/** @param scope RFC 5464 §1: 'server' for METADATA-SERVER. */
export async function tellAnnotations(context: Context, scope: 'server' | 'all'): Promise<void> {
  let teller = tellers.get(context.news)
  if (teller === undefined) {
    teller = new AnnotationNews(context)
    tellers.set(context.news, teller)
    context.news.add(teller)
  }
  if (scope === 'all') await teller.tellMailboxes()
}

class AnnotationNews implements NewsSource {
  readonly pushes = undefined
  readonly #context: Context
  readonly #own: AccountMailboxes
  readonly #stopServer: () => void
  #tellsMailboxes = false
  /** By the mailbox's id, '' for the server. */
  readonly #changed = new Map<string, Changed>()
  #count = 0

  constructor(context: Context) {
    this.#context = context
    this.#own = accountOf(context).mailboxes
    this.#stopServer = context.services.mailboxes.onServerAnnotations((names, origin) => {
      if (origin === context.origin) return
      for (const name of names) this.#add('', this.#own, `/shared${name}`)
      context.news.plan()
    })
  }

  /** Those of others are listened to as they are shared now; one that is shared later, while it is selected. */
  async tellMailboxes(): Promise<void> {
    if (this.#tellsMailboxes) return
    this.#tellsMailboxes = true
    const known = new Set((await listMailboxes(this.#context, ['*'])).map(({ mailboxes }) => mailboxes))
    for (const mailboxes of known) this.#context.news.follow(mailboxes)
  }

  stop(): void {
    this.#stopServer()
    tellers.delete(this.#context.news)
  }

  get hasNews(): boolean {
    return this.#changed.size > 0
  }

  note(change: AccountChange, mailboxes: AccountMailboxes): void {
    // RFC 5464 §4.3: whoever sets an annotation knows.
    if (change.origin === this.#context.origin) return
    for (const op of change.entry.ops) if (op.op === 'annotation') this.#noteOp(op, mailboxes)
  }

  #noteOp({ mailbox, user, name }: AnnotationOp, mailboxes: AccountMailboxes): void {
    if (user !== null && user !== this.#own.accountId) return
    const told = mailbox === null ? mailboxes === this.#own : this.#tellsMailboxes && mayRead(mailboxes, mailbox)
    if (told) this.#add(mailbox ?? '', mailboxes, `/${user === null ? 'shared' : 'private'}${name}`)
  }

  #add(mailbox: string, mailboxes: AccountMailboxes, entry: string): void {
    // Whoever takes too little is told less: nothing relies on hearing of every change.
    if (hasNotifier(this.#context.news) || this.#count >= this.#context.limits.notifyWaitingMax) return
    let changed = this.#changed.get(mailbox)
    if (changed === undefined) this.#changed.set(mailbox, (changed = { mailboxes, entries: new Set() }))
    if (changed.entries.has(entry)) return
    changed.entries.add(entry)
    this.#count++
  }

  *announce({ when }: AnnounceMoment): Generator<string> {
    if (when === 'before') return
    const all = [...this.#changed]
    this.#changed.clear()
    this.#count = 0
    for (const [mailbox, { mailboxes, entries }] of all) {
      if (mailbox === '') yield metadataAnswer(this.#context, undefined, entries)
      else yield* this.#answer(mailbox, mailboxes, entries)
    }
  }

  /** Under the name that it has now; nothing where it is gone or not to be read any more. */
  *#answer(mailbox: string, mailboxes: AccountMailboxes, entries: Iterable<string>): Generator<string> {
    const record = mailboxes.byId(mailbox)
    if (record === undefined || !mayRead(mailboxes, mailbox)) return
    const foreign = mailboxes.accountId !== this.#own.accountId
    const ownerName = foreign ? this.#context.services.directory?.byAccountId(mailboxes.accountId)?.address : undefined
    if (!foreign || ownerName !== undefined) {
      yield metadataAnswer(this.#context, { mailboxes, record, ownerName }, entries)
    }
  }
}

/** RFC 5464 §3.3. */
function mayRead(mailboxes: AccountMailboxes, mailbox: string): boolean {
  const rights = mailboxes.rights(mailbox)
  return rights.includes('l') && /[rswip]/.test(rights)
}
