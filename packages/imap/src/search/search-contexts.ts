// Results that are kept up to date (RFC 5267 §4.3): what has changed in the selected mailbox is looked at again, and
// the client is told what joined or left each result. Without such results a session pays nothing for them.
import type { AccountChange, AccountMailboxes } from '@skein/mailboxes'
import { assert } from '@skein/runtime'
import { selectedOf } from '../commands/command.ts'
import type { Context } from '../commands/command.ts'
import { fetchUnasked } from '../fetch/unasked-fetch.ts'
import type { AnnounceMoment, NewsSource } from '../news.ts'
import type { MailboxView } from '../view.ts'
import { FollowedSearch } from './followed-search.ts'
import type { SearchProgram } from './followed-search.ts'

const ofView = new WeakMap<MailboxView, SearchContexts>()

/** Those of the selected mailbox: they end when it is selected no more. */
export function contextsOf(context: Context): SearchContexts {
  const { view } = selectedOf(context)
  let contexts = ofView.get(view)
  if (contexts === undefined) ofView.set(view, (contexts = new SearchContexts(context)))
  return contexts
}

export class SearchContexts implements NewsSource {
  readonly #context: Context
  readonly #mailboxes: AccountMailboxes
  readonly #view: MailboxView
  readonly #followed = new Map<string, FollowedSearch>()
  /** UIDs to be looked at again. */
  #changed = new Set<number>()
  /** New ones that the client has not been told of. */
  #unseen = new Set<number>()
  #expunged = new Set<number>()

  constructor(context: Context) {
    const { mailboxes, view } = selectedOf(context)
    this.#context = context
    this.#mailboxes = mailboxes
    this.#view = view
  }

  has(tag: string): boolean {
    return this.#followed.has(tag)
  }

  /** To be begun once its first result is known. @returns undefined where there are too many. */
  open(tag: string, program: SearchProgram): FollowedSearch | undefined {
    if (this.#followed.size >= this.#context.limits.searchContextsMax) return undefined
    if (this.#followed.size === 0) this.#context.news.add(this)
    const followed = new FollowedSearch(this.#context, tag, program)
    this.#followed.set(tag, followed)
    return followed
  }

  /** @returns false where there is none of that tag. */
  close(tag: string): boolean {
    if (!this.#followed.delete(tag)) return false
    if (this.#followed.size === 0) this.#stop()
    return true
  }

  #stop(): void {
    this.#context.news.remove(this)
    this.#changed.clear()
    this.#unseen.clear()
    this.#expunged.clear()
  }

  get #current(): boolean {
    const { state } = this.#context
    return state.kind === 'selected' && state.view === this.#view
  }

  get hasNews(): boolean {
    return this.#current && (this.#changed.size > 0 || this.#expunged.size > 0)
  }

  /** RFC 5267 §4.3.2: also when no command is in progress. */
  get pushes(): 'all' | 'no-expunges' | undefined {
    return 'no-expunges'
  }

  note(change: AccountChange, mailboxes: AccountMailboxes): void {
    if (!this.#current) return this.#stop()
    if (mailboxes !== this.#mailboxes) return
    for (const op of change.entry.ops) {
      if (!('mailbox' in op) || op.mailbox !== this.#view.mailbox) continue
      if (op.op === 'add') this.#unseen.add(op.message.uid)
      else if (op.op === 'expunge') this.#expunged.add(op.uid)
      else if (op.op === 'flags') this.#changed.add(op.uid)
      else if (op.op === 'seen') for (const uid of op.uids) this.#changed.add(uid)
    }
    if (this.#unseen.size > 0) this.#changed.add(this.#unseen.values().next().value as number)
  }

  async *announce({ expunges, when }: AnnounceMoment): AsyncGenerator<string> {
    if (!this.#current) {
      this.#stop()
      return
    }
    if (when === 'before') {
      // RFC 5267 §4.3.4: before the EXPUNGE, while the sequence numbers still hold.
      if (expunges && this.#expunged.size > 0) yield* this.#leave()
    } else if (this.#changed.size > 0) yield* this.#lookAgain()
  }

  *#leave(): Generator<string> {
    const gone = this.#expunged
    this.#expunged = new Set()
    for (const uid of gone) {
      this.#changed.delete(uid)
      this.#unseen.delete(uid)
    }
    for (const followed of this.#followed.values()) yield* followed.remove(gone)
  }

  /** RFC 5267 §4.3.3: after the EXISTS, so that the sequence numbers hold already. */
  async *#lookAgain(): AsyncGenerator<string> {
    const arrived = new Set<number>()
    for (const uid of this.#unseen) if (this.#view.indexOf(uid) !== -1) arrived.add(uid)
    for (const uid of arrived) this.#unseen.delete(uid)
    const changed = new Set(arrived)
    for (const uid of this.#changed) if (!this.#unseen.has(uid)) changed.add(uid)
    this.#changed = new Set()
    if (changed.size === 0) return
    const uids = [...changed].sort((a, b) => a - b)
    for (const followed of this.#followed.values()) {
      const { joined, left } = await followed.lookAt(uids)
      yield* followed.remove(left)
      // RFC 5465 §7: a message that is here already is not fetched for a change of its flags.
      const fetched = joined.filter((hit) => arrived.has(hit.uid)).map((hit) => hit.uid)
      const { state } = this.#context
      assert(state.kind === 'selected', 'a session tells its news between its commands')
      await fetchUnasked(this.#context, state, followed.program.items, fetched)
      const text = await followed.add(joined)
      if (text !== '') yield text
    }
  }
}
