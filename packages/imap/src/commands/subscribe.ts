// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
import { resolveMailbox } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Command } from './command.ts'

function subscribeCommand(name: 'SUBSCRIBE' | 'UNSUBSCRIBE'): Command {
  const subscribed = name === 'SUBSCRIBE'
  return command({
    name,
    states: loggedIn,
    parse: parseMailbox,
    async run(context, mailbox) {
      const access = await resolveMailbox(context, mailbox)
      if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
      await access.mailboxes.subscribe(access.name, subscribed, { origin: context.origin })
      return ok(subscribed ? 'Subscribed' : 'Unsubscribed')
    },
  })
}

export const subscribe = subscribeCommand('SUBSCRIBE')
export const unsubscribe = subscribeCommand('UNSUBSCRIBE')
