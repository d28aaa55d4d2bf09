// RSET (RFC 1939 §5): takes all marks away.
import { answers, ok } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const rset = defineCommand({
  name: 'RSET',
  states: ['transaction'],
  parse: noArguments,
  run({ session }) {
    if (session.state !== 'transaction') return answers.wrongState
    session.maildrop.unmarkAll()
    return ok(`${session.maildrop.count} messages (${session.maildrop.octets} octets)`)
  },
})
