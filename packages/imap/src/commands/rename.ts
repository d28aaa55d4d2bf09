// RENAME (RFC 9051 §6.3.6).
import { resolveMailbox, resolveName } from '../mailbox-access.ts'
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
    return ok('Renamed')
  },
})
