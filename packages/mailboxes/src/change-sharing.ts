// Who else may use a mailbox (RFC 4314), and annotations of mailboxes and accounts (RFC 5464).
import { SerialByKey } from '@skein/runtime'
import type { Account } from './account.ts'
import { failures } from './failures.ts'
import { mailboxLimits } from './ports.ts'
import type { Annotation, AnnotationChange, AnnotationRecord, MailboxId } from './ports.ts'
import { changedAcl, type AclChange, type AclEntry } from './rights.ts'
import { demand, type Visitor } from './visitor.ts'

export function setAcl(
  account: Account,
  mailboxId: MailboxId,
  entry: AclEntry,
  change: AclChange,
  options: { origin?: unknown; visitor?: Visitor | undefined },
): Promise<void> {
  return account.change(options.origin, (draft) => {
    const mailbox = draft.mailbox(mailboxId)
    if (options.visitor) demand(mailbox, options.visitor, 'a')
    // The owner can't be shut out, so there is nothing to write down about the owner.
    if (entry.who === account.state.accountId) return
    const before = mailbox.acl ?? []
    const after = changedAcl(before, entry, change)
    if (after.length > before.length && after.length > mailboxLimits.aclEntriesMax) throw failures.tooManyAclEntries()
    if (JSON.stringify(after) !== JSON.stringify(before)) draft.setAcl(mailbox, after)
  })
}

/* ------------------------------------------------------------------ annotations */

const oneByOne = new WeakMap<Account, SerialByKey<string>>()

/** RFC 5464 §3: annotations need `l` and one of these. */
function demandAnnotations(account: Account, mailbox: MailboxId | null, visitor: Visitor): void {
  if (mailbox === null) throw failures.notPermitted()
  const record = account.table.get(mailbox)
  demand(record, visitor, '')
  if (!/[rswip]/.test(visitor.rights(record))) throw failures.notPermitted()
}

export async function annotations(
  account: Account,
  mailbox: MailboxId | null,
  visitor: Visitor | undefined,
): Promise<Annotation[]> {
  if (mailbox !== null && !account.table.get(mailbox)) throw failures.noSuchMailbox()
  if (visitor) demandAnnotations(account, mailbox, visitor)
  const user = visitor?.user ?? account.state.accountId
  const records = await account.parts.store.loadAnnotations(account.state.accountId, mailbox)
  return records
    .filter((record) => record.user === null || record.user === user)
    .map(({ user: whose, name, value }) => ({ shared: whose === null, name, value }))
    .sort((a, b) => Number(a.shared) - Number(b.shared) || (a.name < b.name ? -1 : 1))
}

/** One change after the other: each counts on what the ones before have made durable. */
export async function setAnnotations(
  account: Account,
  mailbox: MailboxId | null,
  changes: readonly AnnotationChange[],
  options: { origin?: unknown; visitor?: Visitor | undefined },
): Promise<void> {
  const { origin, visitor } = options
  for (const change of changes) checkAnnotation(change)
  let serial = oneByOne.get(account)
  if (!serial) oneByOne.set(account, (serial = new SerialByKey()))
  return serial.run(mailbox ?? '', async () => {
    const { accountId } = account.state
    const own = visitor?.user ?? accountId
    const known = await account.parts.store.loadAnnotations(accountId, mailbox)
    await account.change(origin, (draft) => {
      if (mailbox !== null) draft.mailbox(mailbox)
      if (visitor) demandAnnotations(account, mailbox, visitor)
      const named = new Map(known.map((record) => [keyOf(record), record.value]))
      for (const { shared, name, value } of changes) {
        const record = { mailbox, user: shared ? null : own, name: name.toLowerCase() }
        const before = named.get(keyOf(record))
        if (value === null) named.delete(keyOf(record))
        else named.set(keyOf(record), value)
        if ((before ?? null) !== value) draft.setAnnotation(record, value)
      }
      checkCount(named.keys())
    })
  })
}

function keyOf({ user, name }: Pick<AnnotationRecord, 'user' | 'name'>): string {
  return `${user ?? ''}${name}`
}

function checkCount(keys: Iterable<string>): void {
  const counts = new Map<string, number>()
  for (const key of keys) {
    const user = key.slice(0, key.indexOf('/'))
    const count = (counts.get(user) ?? 0) + 1
    if (count > mailboxLimits.annotationsMax) throw failures.tooManyAnnotations()
    counts.set(user, count)
  }
}

/** RFC 5464 §3: levels of printable ASCII, without wildcards. @throws SkeinError `annotation-invalid`, `annotation-too-big` */
export function checkAnnotation({ name, value }: Pick<AnnotationChange, 'name' | 'value'>): void {
  const { annotationNameBytesMax, annotationDepthMax, annotationValueBytesMax } = mailboxLimits
  const wellFormed = /^(\/[!-$&-),-.0-~]+)+$/.test(name) && name.length <= annotationNameBytesMax
  if (!wellFormed || name.split('/').length - 1 > annotationDepthMax) throw failures.annotationInvalid()
  if (value !== null && value.length > annotationValueBytesMax) throw failures.annotationTooBig()
}
