// DELE (RFC 1939 §5): only a mark, until QUIT.
import { answers, ok } from '../answers.ts'
import { defineCommand, parseNumber } from './command.ts'

export const dele = defineCommand({
  name: 'DELE',
  states: ['transaction'],
  parse: parseNumber,
  run({ session }, number) {
    if (session.state !== 'transaction') return answers.wrongState
    return session.maildrop.markDeleted(number) ? ok(`message ${number} goes at QUIT`) : answers.noSuchMessage
  },
})
