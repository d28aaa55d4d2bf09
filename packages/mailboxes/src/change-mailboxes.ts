// Making, renaming, deleting and subscribing mailboxes (RFC 9051 §6.3.4 to §6.3.8). Each is one atomic commit.
import type { Account } from './account.ts'
import { forgettable, letGo, moveRecords } from './change-messages.ts'
import type { CommitDraft } from './commit-draft.ts'
import { failures } from './failures.ts'
import { canonicalName, checkedName, inboxName, isBelow, parentNames } from './mailbox-name.ts'
import { mailboxLimits, type MailboxRecord, type SpecialUse } from './ports.ts'

const defaultMailboxes: readonly (readonly [string, SpecialUse | null])[] = [
  [inboxName, null],
  ['Sent', '\\Sent'],
  ['Drafts', '\\Drafts'],
  ['Trash', '\\Trash'],
  ['Junk', '\\Junk'],
  ['Archive', '\\Archive'],
]

export function createDefaults(account: Account): Promise<void> {
  return account.change(undefined, (draft) => {
    for (const [name, specialUse] of defaultMailboxes) {
      draft.createMailbox(account.parts.newMailboxId(), name, specialUse, true)
    }
  })
}

/** Parents of `name` that are missing, made now. @returns how many */
function createParents(
  account: Account,
  draft: CommitDraft,
  name: string,
  taken: ReadonlySet<string> = new Set(),
): number {
  let made = 0
  for (const parent of parentNames(name)) {
    if (taken.has(parent) || account.plannedTable.byName(parent)) continue
    draft.createMailbox(account.parts.newMailboxId(), parent, null)
    made += 1
  }
  return made
}

function checkCount(account: Account, more: number): void {
  if (account.plannedTable.size + more > mailboxLimits.mailboxesPerAccountMax) throw failures.tooManyMailboxes()
}

export async function create(
  account: Account,
  wanted: string,
  options: { specialUse?: SpecialUse; origin?: unknown },
): Promise<MailboxRecord> {
  const name = checkedName(wanted)
  return account.change(options.origin, (draft) => {
    if (account.plannedTable.byName(name)) throw failures.mailboxExists()
    const made = createParents(account, draft, name)
    checkCount(account, made + 1)
    return draft.createMailbox(account.parts.newMailboxId(), name, options.specialUse ?? null)
  })
}

export async function rename(account: Account, from: string, to: string, origin: unknown): Promise<void> {
  const source = canonicalName(from)
  const target = checkedName(to)
  if (source === inboxName) return renameInbox(account, target, origin)
  await account.change(origin, (draft) => {
    const { plannedTable } = account
    if (!plannedTable.byName(source)) throw failures.noSuchMailbox()
    if (plannedTable.byName(target)) throw failures.mailboxExists()
    if (isBelow(target, source)) throw failures.nameInvalid('would put the mailbox below itself')
    const moving = plannedTable.sorted().filter((it) => it.name === source || isBelow(it.name, source))
    checkCount(account, createParents(account, draft, target))
    for (const { id, name } of moving) {
      const fresh = checkedName(target + name.slice(source.length))
      if (plannedTable.byName(fresh)) throw failures.mailboxExists()
      const record = draft.mailbox(id)
      record.name = fresh
      draft.noteMailbox(record)
    }
  })
}

/** RFC 9051 §6.3.6: INBOX stays, empty, and its children with it; its messages go to the new mailbox. */
async function renameInbox(account: Account, target: string, origin: unknown): Promise<void> {
  const inbox = account.table.byName(inboxName)
  if (!inbox) throw failures.noSuchMailbox()
  await account.changeMessages(inbox.id, origin, (draft, list) => {
    if (account.plannedTable.byName(target)) throw failures.mailboxExists()
    checkCount(account, createParents(account, draft, target) + 1)
    const fresh = draft.createMailbox(account.parts.newMailboxId(), target, null)
    const records = list.map((it) => account.planned(inbox.id, it)).filter((it) => it !== undefined)
    moveRecords(draft, account, records, draft.mailbox(inbox.id), fresh)
  })
}

export async function remove(account: Account, wanted: string, origin: unknown): Promise<void> {
  const name = canonicalName(wanted)
  if (name === inboxName) throw failures.undeletable()
  const known = account.table.byName(name)
  if (!known) throw failures.noSuchMailbox()
  const gone = await account.changeMessages(known.id, origin, (draft, list) => {
    const record = account.plannedTable.get(known.id)
    if (record?.name !== name) throw failures.noSuchMailbox()
    if (account.plannedTable.sorted().some((it) => isBelow(it.name, name))) throw failures.hasChildren()
    draft.deleteMailbox(record)
    draft.deleteInfos.push(...forgettable(account, list))
    return [...list]
  })
  letGo(account, gone)
}

export function subscribe(account: Account, wanted: string, subscribed: boolean): Promise<void> {
  return account.change(undefined, (draft) => {
    const known = account.plannedTable.byName(canonicalName(wanted))
    if (!known) throw failures.noSuchMailbox()
    if (known.subscribed === subscribed) return
    const record = draft.mailbox(known.id)
    record.subscribed = subscribed
    draft.noteMailbox(record)
  })
}

/** @param quotaBytes 0 means no limit */
export function setQuota(account: Account, quotaBytes: number): Promise<void> {
  return account.change(undefined, (draft) => draft.setQuota(quotaBytes))
}
