// NAMESPACE (RFC 2342): one's own without a prefix, and what other people share.
import { OTHER_USERS } from '../mailbox-access.ts'
import { ok } from '../replies.ts'
import { command, loggedIn, nothing } from './command.ts'

export const namespace = command({
  name: 'NAMESPACE',
  states: loggedIn,
  parse: nothing,
  async run(context) {
    context.out.text(
      `* NAMESPACE (("" "/")) ${context.services.directory ? `(("${OTHER_USERS}/" "/"))` : 'NIL'} NIL\r\n`,
    )
    return ok('That is all')
  },
})
