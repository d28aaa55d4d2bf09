// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
import { resolveMailbox, resolveName } from '../mailbox-access.ts'
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
      // A name of one's own needs no mailbox.
      const place = access ?? (await resolveName(context, mailbox))
      const missing = access === undefined && place?.ownerName !== undefined
      if (place === undefined || missing) return no('There is no such mailbox', 'NONEXISTENT')
      await place.mailboxes.subscribe(place.name, subscribed, { origin: context.origin })
      return ok(subscribed ? 'Subscribed' : 'Unsubscribed')
    },
  })
}

export const subscribe = subscribeCommand('SUBSCRIBE')
export const unsubscribe = subscribeCommand('UNSUBSCRIBE')
