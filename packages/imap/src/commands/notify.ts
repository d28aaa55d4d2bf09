// NOTIFY (RFC 5465): which events of which mailboxes the client wants to hear of, also when it asks for nothing.
import { listMailboxes } from '../mailbox-access.ts'
import { matchesFilter, patternsOf } from '../mailbox-filter.ts'
import { noAccessAnswer, statusAnswer } from '../notify/mailbox-answers.ts'
import { notifyOf } from '../notify/notifier.ts'
import { EVENTS, hasMessageEvents, isSelected, parseNotify } from '../notify/notify-request.ts'
import type { EventGroup, NotifyRequest } from '../notify/notify-request.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { command, loggedIn } from './command.ts'
import type { Context } from './command.ts'

/** What is told before the answer: which mailboxes may not be read, and how the others stand where that was asked for. */
async function tellState(
  context: Context,
  groups: readonly EventGroup[],
  accesses: readonly MailboxAccess[],
  status: boolean,
): Promise<void> {
  const { state, out } = context
  const others = groups.filter((group) => !isSelected(group.filter) && hasMessageEvents(group))
  for (const access of accesses) {
    const matching = others.filter(({ filter }) => matchesFilter(filter, access))
    if (matching.length === 0) continue
    if (!access.rights.includes('r')) {
      if (matching.some(({ filter }) => 'names' in filter)) out.text(noAccessAnswer(context, access))
    } else if (status && !(state.kind === 'selected' && state.view.mailbox === access.record.id)) {
      out.text(statusAnswer(context, access, false))
    }
    const pause = out.breathe()
    if (pause) await pause
  }
}

function namesIn(groups: readonly EventGroup[]): number {
  return groups.reduce((count, { filter }) => count + ('names' in filter ? filter.names.length : 0), 0)
}

export const notify = command<NotifyRequest>({
  name: 'NOTIFY',
  states: loggedIn,
  parse: parseNotify,
  async run(context, request) {
    if (request.kind === 'unknown-event') {
      return no('That event is not known', `BADEVENT (${EVENTS.join(' ')})`)
    }
    if (request.kind === 'none') {
      notifyOf(context, [], [])
      return ok('Nothing is told')
    }
    const { groups, status } = request
    if (namesIn(groups) > context.limits.notifyNamesMax) return no('Too many mailboxes', 'NOTIFICATIONOVERFLOW')
    // RFC 5465 §3.1: what has gathered until now is told first, as by NOOP.
    await context.announce(true)
    const filters = groups.map(({ filter }) => filter).filter((filter) => !isSelected(filter))
    const accesses = await listMailboxes(context, patternsOf(filters))
    notifyOf(context, groups, accesses)
    await tellState(context, groups, accesses, status)
    return ok('It will be told')
  },
})
