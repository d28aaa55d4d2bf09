// UNAUTHENTICATE (RFC 8437): a stranger again on the same connection; everything but TLS begins anew.
import { ok } from '../replies.ts'
import { fault } from '../wire/syntax-error.ts'
import { command, loggedIn, nothing } from './command.ts'

export const unauthenticate = command({
  name: 'UNAUTHENTICATE',
  states: loggedIn,
  parse: nothing,
  async run(context) {
    // RFC 8437 §3, §8: not where it is not advertised, as on a session that another node has logged in.
    if (!context.mayUnauthenticate) fault('there is no such command')
    context.changeLayer('stranger')
    return ok('You are a stranger now')
  },
})
