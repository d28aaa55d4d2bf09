// RENAME (RFC 9051 §6.3.6).
import { ok } from '../replies.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'

export const rename = command({
  name: 'RENAME',
  states: loggedIn,
  parse: (cursor) => ({ from: parseMailbox(cursor), to: parseMailbox(cursor) }),
  async run(context, { from, to }) {
    await accountOf(context).mailboxes.rename(from, to, { origin: context.origin })
    return ok('Renamed')
  },
})
