// STAT (RFC 1939 §5): marked messages are not counted.
import { answers, ok } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const stat = defineCommand({
  name: 'STAT',
  states: ['transaction'],
  parse: noArguments,
  run({ session }) {
    if (session.state !== 'transaction') return answers.wrongState
    return ok(`${session.maildrop.count} ${session.maildrop.octets}`)
  },
})
