// What NOTIFY asks for (RFC 5465 §8) as values, read from the command.
import { parseItems } from '../fetch/fetch-item.ts'
import type { FetchItem } from '../fetch/fetch-item.ts'
import { parseMailboxFilter } from '../mailbox-filter.ts'
import type { FilterKind, MailboxFilter } from '../mailbox-filter.ts'
import type { Cursor } from '../wire/cursor.ts'
import { fault } from '../wire/syntax-error.ts'

/** In the spelling of the RFC. */
export const EVENTS = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'MailboxName',
  'SubscriptionChange',
  'MailboxMetadataChange',
  'ServerMetadataChange',
] as const

export type EventName = (typeof EVENTS)[number]

const MESSAGE_EVENTS: ReadonlySet<EventName> = new Set(['MessageNew', 'MessageExpunge', 'FlagChange'])

export interface EventGroup {
  filter: MailboxFilter
  events: ReadonlySet<EventName>
  /** What is told of each new message of the selected mailbox. */
  items: readonly FetchItem[]
}

export type NotifyRequest =
  | { kind: 'none' }
  | { kind: 'set'; status: boolean; groups: readonly EventGroup[] }
  /** Some event is not known: the rest could be anything. */
  | { kind: 'unknown-event' }

const KINDS: readonly FilterKind[] = [
  'SELECTED',
  'SELECTED-DELAYED',
  'INBOXES',
  'PERSONAL',
  'SUBSCRIBED',
  'SUBTREE',
  'MAILBOXES',
]

export function parseNotify(cursor: Cursor): NotifyRequest {
  cursor.space()
  const word = cursor.keyword()
  if (word === 'NONE') return { kind: 'none' }
  if (word !== 'SET') fault('SET or NONE is wanted')
  cursor.space()
  const status = cursor.takeText('STATUS ')
  const groups: EventGroup[] = []
  do {
    const group = parseGroup(cursor)
    if (group === undefined) return { kind: 'unknown-event' }
    groups.push(group)
  } while (cursor.take(' '))
  // RFC 5465 §6.1.
  if (groups.filter(({ filter }) => isSelected(filter)).length > 1) fault('the selected mailbox is named twice')
  return { kind: 'set', status, groups }
}

export function isSelected(filter: MailboxFilter): boolean {
  return filter.kind === 'SELECTED' || filter.kind === 'SELECTED-DELAYED'
}

export function hasMessageEvents({ events }: EventGroup): boolean {
  return events.has('MessageNew')
}

/** `(filter events)`; undefined where an event is not known. */
function parseGroup(cursor: Cursor): EventGroup | undefined {
  cursor.want('(')
  const filter = parseMailboxFilter(cursor, KINDS)
  cursor.space()
  const events = new Set<EventName>()
  let items: readonly FetchItem[] = []
  if (!cursor.takeText('NONE')) {
    cursor.want('(')
    do {
      const word = cursor.keyword()
      const event = EVENTS.find((known) => known.toUpperCase() === word)
      if (event === undefined) {
        cursor.skipAll()
        return undefined
      }
      events.add(event)
      if (event === 'MessageNew' && cursor.seesText(' (')) {
        cursor.space()
        items = parseItems(cursor)
      }
    } while (cursor.take(' '))
    cursor.want(')')
  }
  cursor.want(')')
  checkGroup({ filter, events, items })
  return { filter, events, items }
}

/** @throws SyntaxFault where events do not go together (RFC 5465 §5, §6.1). */
function checkGroup({ filter, events, items }: EventGroup): void {
  if (events.has('MessageNew') !== events.has('MessageExpunge')) fault('MessageNew and MessageExpunge go together')
  if (events.has('FlagChange') && !events.has('MessageNew')) fault('FlagChange needs MessageNew and MessageExpunge')
  if (!isSelected(filter)) {
    if (items.length > 0) fault('only messages of the selected mailbox are fetched')
    return
  }
  for (const event of events) if (!MESSAGE_EVENTS.has(event)) fault('that event is not of a selected mailbox')
}
