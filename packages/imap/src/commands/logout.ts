// LOGOUT (RFC 9051 §6.1.3).
import { ok } from '../replies.ts'
import { anyState, command, nothing } from './command.ts'

export const logout = command({
  name: 'LOGOUT',
  states: anyState,
  parse: nothing,
  async run(context) {
    context.out.text('* BYE Good-bye\r\n')
    context.advance({ kind: 'logged-out' })
    return ok('Logged out')
  },
})
