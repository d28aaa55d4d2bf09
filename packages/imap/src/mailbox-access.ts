// The one place where a mailbox name that a client gives becomes a mailbox: its own, or one that somebody shares.
// Promises: a mailbox that the client may not know of (RFC 4314 §4: no `l` right) is as if it did not exist.
import type { AccountMailboxes, MailboxRecord } from '@skein/mailboxes'
import { accountOf } from './commands/command.ts'
import type { Context } from './commands/command.ts'

/** A name in its owner's account. There may be no mailbox of that name. */
export interface NamePlace {
  mailboxes: AccountMailboxes
  /** As the owner has it. */
  name: string
  /** Address of the owner, where it is somebody else. */
  ownerName: string | undefined
}

export interface MailboxAccess extends NamePlace {
  record: Readonly<MailboxRecord>
  /** RFC 4314 §2.1, without the obsolete ones: `lrswipkxtea` for one's own. */
  rights: string
}

/** Undefined where the name leads nowhere that the client may know of. */
export async function resolveName(context: Context, name: string): Promise<NamePlace | undefined> {
  return { mailboxes: accountOf(context).mailboxes, name, ownerName: undefined }
}

/** Undefined where there is no such mailbox, or none that the client may know of. */
export async function resolveMailbox(context: Context, name: string): Promise<MailboxAccess | undefined> {
  const place = await resolveName(context, name)
  return place && accessAt(place)
}

/** What is known of a name without waiting; 'later': somebody else's, to be asked for with `resolveMailbox`. */
export function peekMailbox(context: Context, name: string): MailboxAccess | 'later' | undefined {
  return accessAt({ mailboxes: accountOf(context).mailboxes, name, ownerName: undefined })
}

function accessAt(place: NamePlace): MailboxAccess | undefined {
  const record = place.mailboxes.byName(place.name)
  return record && { ...place, name: record.name, record, rights: place.mailboxes.rights(record.id) }
}

/** The mailbox's name as this client sees it. */
export function shownName(access: Pick<MailboxAccess, 'record' | 'ownerName'>): string {
  return access.record.name
}

/** All that the client may know of, its own first: INBOX, then by name. */
export async function listMailboxes(context: Context): Promise<MailboxAccess[]> {
  const { mailboxes } = accountOf(context)
  return mailboxes.list().map((record) => ({
    mailboxes,
    name: record.name,
    ownerName: undefined,
    record,
    rights: mailboxes.rights(record.id),
  }))
}
