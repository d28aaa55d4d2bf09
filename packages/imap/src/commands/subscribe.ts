// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
import { ok } from '../replies.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'

export const subscribe = command({
  name: 'SUBSCRIBE',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    await accountOf(context).mailboxes.subscribe(mailbox, true)
    return ok('Subscribed')
  },
})

export const unsubscribe = command({
  name: 'UNSUBSCRIBE',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    await accountOf(context).mailboxes.subscribe(mailbox, false)
    return ok('Unsubscribed')
  },
})
