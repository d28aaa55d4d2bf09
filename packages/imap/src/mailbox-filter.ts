// Which mailboxes a command speaks of (RFC 5465 §6, RFC 7377 §2.2): by name, below a name, subscribed, one's own.
import type { MailboxRecord } from '@skein/mailboxes'
import type { MailboxAccess } from './mailbox-access.ts'
import { shownName } from './mailbox-access.ts'
import type { Cursor } from './wire/cursor.ts'
import { fault } from './wire/syntax-error.ts'

const WORDS = ['SELECTED', 'SELECTED-DELAYED', 'INBOXES', 'PERSONAL', 'SUBSCRIBED'] as const
const NAMING = ['SUBTREE', 'SUBTREE-ONE', 'MAILBOXES'] as const

export type MailboxFilter =
  | { kind: (typeof WORDS)[number] }
  /** Names as a client sees them, INBOX in capitals. */
  | { kind: (typeof NAMING)[number]; names: readonly string[] }

export type FilterKind = MailboxFilter['kind']

export function parseMailboxFilter(cursor: Cursor, kinds: readonly FilterKind[]): MailboxFilter {
  const word = cursor.keyword()
  const kind = kinds.find((known) => known === word) ?? fault('there is no such way to name mailboxes')
  const simple = WORDS.find((known) => known === kind)
  if (simple !== undefined) return { kind: simple }
  cursor.space()
  const names = cursor.sees('(') ? cursor.list(() => cursor.mailbox()) : [cursor.mailbox()]
  return { kind: kind as (typeof NAMING)[number], names: names.map(canonical) }
}

/** INBOX in any case is one (RFC 9051 §5.1). */
function canonical(name: string): string {
  return name.normalize('NFC').replace(/^inbox(?=\/|$)/i, 'INBOX')
}

/** Names and patterns of mailboxes that may be somebody else's, for `listMailboxes`. */
export function patternsOf(filters: readonly MailboxFilter[]): string[] {
  return filters.flatMap((filter) => {
    if ('names' in filter) return filter.names
    // One's own and INBOX are nobody else's.
    return filter.kind === 'PERSONAL' || filter.kind === 'INBOXES' ? [] : ['*']
  })
}

/** What the filters go by. The selected mailbox is for whoever asks to know. */
export interface Filtered {
  record: Readonly<Pick<MailboxRecord, 'name' | 'subscribed'>>
  ownerName: MailboxAccess['ownerName']
}

export function matchesFilter(filter: MailboxFilter, access: Filtered): boolean {
  const name = shownName(access)
  switch (filter.kind) {
    case 'INBOXES':
      return access.ownerName === undefined && access.record.name === 'INBOX'
    case 'PERSONAL':
      return access.ownerName === undefined
    case 'SUBSCRIBED':
      return access.record.subscribed
    case 'MAILBOXES':
      return filter.names.includes(name)
    case 'SUBTREE':
      return filter.names.some((above) => name === above || name.startsWith(`${above}/`))
    case 'SUBTREE-ONE':
      return filter.names.some(
        (above) => name === above || (name.startsWith(`${above}/`) && !name.includes('/', above.length + 1)),
      )
    default:
      // Which mailbox is selected is not for this to know.
      return false
  }
}
