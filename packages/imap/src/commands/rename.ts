// RENAME (RFC 9051 §6.3.6).
import { namedAnswer } from '../list-answer.ts'
import { resolveMailbox, resolveName, shownName } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { command, loggedIn, parseMailbox } from './command.ts'

export const rename = command({
  name: 'RENAME',
  states: loggedIn,
  parse: (cursor) => ({ from: parseMailbox(cursor), to: parseMailbox(cursor) }),
  async run(context, { from, to }) {
    const source = await resolveMailbox(context, from)
    if (source === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    const target = await resolveName(context, to)
    if (target?.mailboxes !== source.mailboxes) return no('A mailbox stays with its owner', 'CANNOT')
    await source.mailboxes.rename(source.name, target.name, { origin: context.origin })
    // RFC 9051 §6.3.6: where the name was normalised.
    const record = source.mailboxes.byId(source.record.id)
    const shown = record === undefined ? to : shownName({ ...target, record })
    if (context.enabled.rev2 && shown !== to && to.toUpperCase() !== 'INBOX' && from.toUpperCase() !== 'INBOX') {
      context.out.text(namedAnswer(shown, to, context.enabled.utf8))
    }
    return ok('Renamed')
  },
})
