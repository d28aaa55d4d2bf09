// NAMESPACE (RFC 2342): one personal namespace without a prefix.
import { ok } from '../replies.ts'
import { command, loggedIn, nothing } from './command.ts'

export const namespace = command({
  name: 'NAMESPACE',
  states: loggedIn,
  parse: nothing,
  async run(context) {
    context.out.text('* NAMESPACE (("" "/")) NIL NIL\r\n')
    return ok('That is all')
  },
})
