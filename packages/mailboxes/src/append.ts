// Putting messages in: parsed once, given thread, UID and MODSEQ, left out where their delivery id was seen before.
// Needs no message list in memory, and many may be under way at once.
import { indexMessage, type MessageIndex } from '@skein/mail'
import { SerialByKey, assert } from '@skein/runtime'
import type { Account, AccountParts } from './account.ts'
import type { CommitDraft } from './commit-draft.ts'
import { Keywords, canonicalFlags } from './flags.ts'
import { forgettable, letGo } from './change-messages.ts'
import { failures } from './failures.ts'
import { mailboxMemoryLimits } from './limits.ts'
import { findByUid } from './message-list.ts'
import type { Appended, MailboxId, MailboxRecord, NewMessage } from './ports.ts'
import { permittedFlags } from './rights.ts'
import { threadKeys } from './threads.ts'
import { demand, type Visitor } from './visitor.ts'

interface Prepared {
  message: NewMessage
  emailId: string
  index: MessageIndex | undefined
  keys: string[]
  /** Of `keys`, as the store knows them. */
  threads: (string | undefined)[]
}

export async function append(
  account: Account,
  mailboxId: MailboxId,
  messages: readonly NewMessage[],
  origin: unknown,
  visitor?: Visitor,
): Promise<(Appended | 'duplicate')[]> {
  const reservation = new Reservation(account)
  try {
    const fresh = await reservation.take(messages.flatMap((it) => it.deliveryId ?? []))
    const prepared: (Prepared | 'duplicate')[] = []
    for (const message of messages) {
      const { deliveryId } = message
      // Each id once: the second message with it is a duplicate of the first.
      const wanted = deliveryId === undefined || fresh.delete(deliveryId)
      prepared.push(wanted ? await prepare(account, message) : 'duplicate')
    }
    return await account.change(origin, (draft) => addMessages(draft, account, mailboxId, prepared, visitor))
  } finally {
    reservation.end()
  }
}

/** RFC 8508: the new message in and the old one gone, in one commit. */
export async function replace(
  account: Account,
  from: MailboxId,
  uid: number,
  message: NewMessage,
  options: { to?: MailboxId; origin?: unknown; visitor?: Visitor | undefined },
): Promise<Appended> {
  const { to = from, origin, visitor } = options
  const prepared = await prepare(account, message)
  const { appended, gone } = await account.changeMessages(from, origin, (draft, list) => {
    const source = draft.mailbox(from)
    if (visitor) demand(source, visitor, 'te')
    const visible = findByUid(list, uid)
    const old = visible && account.planned(from, visible)
    if (!old) throw failures.noSuchMessage()
    draft.expunge(source, old)
    draft.deleteInfos.push(...forgettable(account, [old]))
    const [added] = addMessages(draft, account, to, [prepared], visitor)
    return { appended: added as Appended, gone: old }
  })
  letGo(account, [gone])
  return appended
}

function addMessages(
  draft: CommitDraft,
  account: Account,
  mailboxId: MailboxId,
  prepared: readonly (Prepared | 'duplicate')[],
  visitor: Visitor | undefined,
): (Appended | 'duplicate')[] {
  const mailbox = draft.mailbox(mailboxId)
  if (visitor) demand(mailbox, visitor, 'i')
  const wanted = prepared.filter((it) => it !== 'duplicate')
  draft.checkQuota(
    wanted.reduce((sum, { message }) => sum + message.blob.length, 0),
    wanted.length,
  )
  const keywords = new Keywords(mailbox.keywords)
  const results = prepared.map((it) =>
    it === 'duplicate' ? it : addMessage(draft, account, mailbox, keywords, it, visitor),
  )
  if (keywords.grown) mailbox.keywords = keywords.names
  for (const { key, threadId } of draft.putThreads) account.recentThreads.set(key, threadId)
  return results
}

function addMessage(
  draft: CommitDraft,
  account: Account,
  mailbox: MailboxRecord,
  keywords: Keywords,
  { message, emailId, index, keys, threads }: Prepared,
  visitor: Visitor | undefined,
): Appended {
  const threadId = chooseThread(draft, account, keys, threads) ?? emailId
  keys.forEach((key, at) => {
    if (threads[at] === undefined && account.recentThreads.get(key) === undefined)
      draft.putThreads.push({ key, threadId })
  })
  const { blob, internalDateMs, deliveryId } = message
  // RFC 4314 §4: flags that the rights don't allow are left out. A visitor's \Seen is the visitor's own.
  const allowed = visitor ? permittedFlags(message.flags, visitor.rights(mailbox)) : message.flags
  const isSeen = visitor !== undefined && allowed.some((flag) => flag.toLowerCase() === '\\seen')
  const kept = isSeen ? allowed.filter((flag) => flag.toLowerCase() !== '\\seen') : allowed
  const flags = canonicalFlags(kept, keywords)
  const record = draft.add(
    mailbox,
    { flags, internalDateMs, size: blob.length, blob, emailId, threadId, savedDateMs: draft.atMs },
    deliveryId,
  )
  if (isSeen) draft.setSeen(mailbox.id, visitor.user, [record.uid], true)
  if (index) draft.putInfos.push({ emailId, index })
  return { uid: record.uid, emailId, uidValidity: mailbox.uidValidity }
}

/** The thread of the first key that has one; those not yet in the store count too. */
function chooseThread(
  draft: CommitDraft,
  account: Account,
  keys: readonly string[],
  stored: readonly (string | undefined)[],
): string | undefined {
  for (const [at, key] of keys.entries()) {
    const here = draft.putThreads.find((put) => put.key === key)?.threadId
    const threadId = here ?? account.recentThreads.get(key) ?? stored[at]
    if (threadId !== undefined) return threadId
  }
  return undefined
}

async function prepare(account: Account, message: NewMessage): Promise<Prepared> {
  const emailId = message.emailId ?? account.parts.newEmailId()
  assert(emailId.length > 0 && emailId.length <= mailboxMemoryLimits.emailIdBytesMax, 'an email id of a usable length')
  const index = message.index ?? (await indexOf(account.parts, message))
  const keys = index ? threadKeys(index) : []
  // Which of them are recent is asked again when the message is put in.
  const known = keys.map((key) => account.recentThreads.get(key))
  if (known.includes(undefined)) {
    const threads = await account.parts.store.loadThreads(account.state.accountId, keys)
    return { message, emailId, index, keys, threads }
  }
  return { message, emailId, index, keys, threads: known }
}

const largeMessages = new SerialByKey<AccountParts['log']>()

/** Undefined where the parser fails, which must not stop a delivery: it is a mistake of ours, and logged. */
export async function indexOf(
  parts: AccountParts,
  message: Pick<NewMessage, 'blob' | 'bytes'>,
): Promise<MessageIndex | undefined> {
  const { log, logger } = parts
  // Large messages are in memory one at a time.
  if (!message.bytes && message.blob.length > mailboxMemoryLimits.largeMessageBytes) {
    return largeMessages.run(log, async () =>
      indexOf(parts, { blob: message.blob, bytes: await log.read(message.blob) }),
    )
  }
  const bytes = message.bytes ?? (await log.read(message.blob))
  try {
    return indexMessage(bytes)
  } catch (error) {
    logger.error({ err: error, blob: message.blob }, 'a message could not be parsed')
    return undefined
  }
}

/** Delivery ids that one append has claimed: another with the same id waits for its end, then looks again. */
class Reservation {
  readonly #account: Account
  readonly #ids: string[] = []
  #promise: Promise<void> | null = null
  #resolve = () => {}

  constructor(account: Account) {
    this.#account = account
  }

  /** @returns those that were not delivered before. In one order for all, so that no two appends wait for each other. */
  async take(ids: readonly string[]): Promise<Set<string>> {
    const { deliveriesUnderWay, parts, state } = this.#account
    const fresh = new Set<string>()
    for (const id of ids.length > 1 ? [...new Set(ids)].sort() : ids) {
      for (let other = deliveriesUnderWay.get(id); other; other = deliveriesUnderWay.get(id)) await other
      this.#promise ??= new Promise((resolve) => {
        this.#resolve = resolve
      })
      deliveriesUnderWay.set(id, this.#promise)
      this.#ids.push(id)
      if (!(await parts.store.hasDelivery(state.accountId, id))) fresh.add(id)
    }
    return fresh
  }

  end(): void {
    for (const id of this.#ids) this.#account.deliveriesUnderWay.delete(id)
    this.#resolve()
  }
}
