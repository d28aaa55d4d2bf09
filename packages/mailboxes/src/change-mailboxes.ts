// Making, renaming, deleting and subscribing mailboxes (RFC 9051 §6.3.4 to §6.3.8). Each is one atomic commit.
import type { Account } from './account.ts'
import { forgettable, letGo, moveRecords } from './change-messages.ts'
import type { CommitDraft } from './commit-draft.ts'
import { failures } from './failures.ts'
import { canonicalName, checkedName, inboxName, isBelow, parentNames } from './mailbox-name.ts'
import { mailboxLimits, type MailboxRecord, type QuotaLimits, type SpecialUse } from './ports.ts'
import type { AclEntry } from './rights.ts'
import { demand, type Visitor } from './visitor.ts'

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
      draft.createMailbox(account.parts.newMailboxId(), name, { specialUse, subscribed: true })
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
    draft.createMailbox(account.parts.newMailboxId(), parent, { acl: aclAbove(account, parent) })
    made += 1
  }
  return made
}

/** The nearest mailbox above a name, as the next commit finds it. */
function nearestAbove(account: Account, name: string): MailboxRecord | undefined {
  return parentNames(name)
    .map((parent) => account.plannedTable.byName(parent))
    .findLast((record) => record !== undefined)
}

/** A new mailbox is shared as the one above it (RFC 4314 §3 leaves that to the server). */
function aclAbove(account: Account, name: string): readonly AclEntry[] | undefined {
  return nearestAbove(account, name)?.acl
}

/** RFC 4314 §4: making a mailbox, or moving one there, needs `k` on the one above it. */
function demandRoomBelow(account: Account, name: string, visitor: Visitor): void {
  const above = nearestAbove(account, name)
  if (!visitor.sees(above)) throw failures.notPermitted()
  demand(above, visitor, 'k')
}

function checkCount(account: Account, draft: CommitDraft, more: number): void {
  const { quotaMailboxes = 0 } = draft.state
  if (more > 0 && quotaMailboxes > 0 && account.plannedTable.size + more > quotaMailboxes) {
    throw failures.overQuota('mailboxes')
  }
  if (account.plannedTable.size + more > mailboxLimits.mailboxesPerAccountMax) throw failures.tooManyMailboxes()
}

export async function create(
  account: Account,
  wanted: string,
  options: { specialUse?: SpecialUse; origin?: unknown; visitor?: Visitor | undefined },
): Promise<MailboxRecord> {
  const name = checkedName(wanted)
  return account.change(options.origin, (draft) => {
    const { visitor, specialUse } = options
    const known = account.plannedTable.byName(name)
    if (visitor && !visitor.sees(known)) demandRoomBelow(account, name, visitor)
    if (known) throw failures.mailboxExists()
    const made = createParents(account, draft, name)
    checkCount(account, draft, made + 1)
    const acl = aclAbove(account, name)
    return draft.createMailbox(account.parts.newMailboxId(), name, { specialUse: specialUse ?? null, acl })
  })
}

export async function rename(
  account: Account,
  from: string,
  to: string,
  origin: unknown,
  visitor?: Visitor,
): Promise<void> {
  const source = canonicalName(from)
  const target = checkedName(to)
  if (source === inboxName && visitor) throw failures.notPermitted()
  if (source === inboxName) return renameInbox(account, target, origin)
  await account.change(origin, (draft) => {
    const { plannedTable } = account
    const known = plannedTable.byName(source)
    if (!known) throw failures.noSuchMailbox()
    if (visitor) {
      demand(known, visitor, 'x')
      demandRoomBelow(account, target, visitor)
    }
    if (plannedTable.byName(target)) throw failures.mailboxExists()
    if (isBelow(target, source)) throw failures.nameInvalid('would put the mailbox below itself')
    const moving = plannedTable.sorted().filter((it) => it.name === source || isBelow(it.name, source))
    checkCount(account, draft, createParents(account, draft, target))
    for (const { id, name } of moving) {
      const fresh = checkedName(target + name.slice(source.length))
      if (plannedTable.byName(fresh)) throw failures.mailboxExists()
      const record = draft.mailbox(id)
      draft.renameMailbox(record, fresh)
    }
  })
}

/** RFC 9051 §6.3.6: INBOX stays, empty, and its children with it; its messages go to the new mailbox. */
async function renameInbox(account: Account, target: string, origin: unknown): Promise<void> {
  const inbox = account.table.byName(inboxName)
  if (!inbox) throw failures.noSuchMailbox()
  await account.changeMessages(inbox.id, origin, (draft, list) => {
    if (account.plannedTable.byName(target)) throw failures.mailboxExists()
    checkCount(account, draft, createParents(account, draft, target) + 1)
    const fresh = draft.createMailbox(account.parts.newMailboxId(), target, { acl: aclAbove(account, target) })
    const records = list.map((it) => account.planned(inbox.id, it)).filter((it) => it !== undefined)
    moveRecords(draft, account, records, draft.mailbox(inbox.id), fresh)
  })
}

export async function remove(account: Account, wanted: string, origin: unknown, visitor?: Visitor): Promise<void> {
  const name = canonicalName(wanted)
  if (visitor) demand(account.table.byName(name), visitor, 'x')
  if (name === inboxName) throw failures.undeletable()
  const known = account.table.byName(name)
  if (!known) throw failures.noSuchMailbox()
  const gone = await account.changeMessages(known.id, origin, (draft, list) => {
    const record = account.plannedTable.get(known.id)
    if (record?.name !== name) throw failures.noSuchMailbox()
    if (visitor) demand(record, visitor, 'x')
    if (account.plannedTable.sorted().some((it) => isBelow(it.name, name))) throw failures.hasChildren()
    draft.deleteMailbox(record)
    draft.deleteInfos.push(...forgettable(account, list))
    return [...list]
  })
  letGo(account, gone)
}

export function subscribe(
  account: Account,
  wanted: string,
  subscribed: boolean,
  visitor?: Visitor,
  origin?: unknown,
): Promise<void> {
  return account.change(origin, (draft) => {
    const name = canonicalName(wanted)
    const known = account.plannedTable.byName(name)
    if (visitor) {
      if (!known) throw failures.noSuchMailbox()
      demand(known, visitor, '')
      return draft.subscribeReader(known.id, visitor.user, subscribed)
    }
    if (!known) return draft.subscribeName(subscribed ? checkedName(wanted) : name, subscribed)
    if (known.subscribed === subscribed) return
    const record = draft.mailbox(known.id)
    record.subscribed = subscribed
    draft.noteMailbox(record)
  })
}

export function setQuota(account: Account, limits: Partial<QuotaLimits>): Promise<void> {
  return account.change(undefined, (draft) => draft.setQuota(limits))
}
