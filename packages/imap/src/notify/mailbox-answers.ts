// STATUS and LIST as NOTIFY tells of other mailboxes (RFC 5465 §5).
import type { Context } from '../commands/command.ts'
import { shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { formatMailbox } from '../wire/encode.ts'

type Mailbox = Pick<MailboxAccess, 'mailboxes' | 'record' | 'ownerName'>

function nameOf(context: Context, mailbox: Mailbox): string {
  return formatMailbox(shownName(mailbox), context.enabled.utf8)
}

/** RFC 5465 §5.1 to §5.3. */
export function statusAnswer(context: Context, mailbox: Mailbox, flagsOnly: boolean): string {
  const { messages, uidNext, uidValidity, unseen, highestModseq } = mailbox.record
  const counts = flagsOnly ? '' : `MESSAGES ${messages} UIDNEXT ${uidNext} `
  const modseq = flagsOnly || context.enabled.condstore || context.enabled.qresync
  const newest = modseq ? ` HIGHESTMODSEQ ${highestModseq}` : ''
  return `* STATUS ${nameOf(context, mailbox)} (${counts}UIDVALIDITY ${uidValidity} UNSEEN ${unseen}${newest})\r\n`
}

/** RFC 5465 §5.4, §5.5. @param oldName where it was renamed. */
export function listAnswer(context: Context, mailbox: Mailbox, oldName?: string): string {
  const { record, mailboxes, ownerName } = mailbox
  const parent = `${record.name}/`
  const hasChildren = mailboxes.list().some(({ name }) => name.startsWith(parent))
  const attributes = [hasChildren ? '\\HasChildren' : '\\HasNoChildren']
  if (record.specialUse !== null) attributes.push(record.specialUse)
  if (record.subscribed) attributes.push('\\Subscribed')
  const old =
    oldName === undefined
      ? ''
      : ` ("OLDNAME" (${nameOf(context, { mailboxes, ownerName, record: { ...record, name: oldName } })}))`
  return `* LIST (${attributes.join(' ')}) "/" ${nameOf(context, mailbox)}${old}\r\n`
}

/** RFC 5465 §5.6, §5.7: that it has changed, not to what. @param mailbox undefined: of the server. */
export function metadataAnswer(context: Context, mailbox: Mailbox | undefined, entries: Iterable<string>): string {
  const name = mailbox === undefined ? '""' : nameOf(context, mailbox)
  return `* METADATA ${name} ${[...entries].join(' ')}\r\n`
}

/** Its name may be subscribed all the same. */
export function deletedAnswer(context: Context, mailbox: Mailbox): string {
  const { mailboxes, record, ownerName } = mailbox
  const { subscribedNames = [] } = mailboxes.state()
  return nameAnswer(context, shownName(mailbox), ownerName === undefined && subscribedNames.includes(record.name))
}

/** Of a name without a mailbox. */
export function nameAnswer(context: Context, name: string, subscribed: boolean): string {
  const attributes = subscribed ? '\\NonExistent \\Subscribed' : '\\NonExistent'
  return `* LIST (${attributes}) "/" ${formatMailbox(name, context.enabled.utf8)}\r\n`
}

/** RFC 5465 §3.1: it was named, and may not be read. */
export function noAccessAnswer(context: Context, mailbox: Mailbox): string {
  return `* LIST (\\NoAccess) "/" ${nameOf(context, mailbox)}\r\n`
}
