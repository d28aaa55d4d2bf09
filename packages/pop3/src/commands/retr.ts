// RETR (RFC 1939 §5): the message byte for byte.
import { answers } from '../answers.ts'
import { defineCommand, parseNumber } from './command.ts'
import { openMessage } from './open-message.ts'

export const retr = defineCommand({
  name: 'RETR',
  states: ['transaction'],
  parse: parseNumber,
  async run({ session, house }, number) {
    if (session.state !== 'transaction') return answers.wrongState
    const message = session.maildrop.message(number)
    if (!message) return answers.noSuchMessage
    const bytes = await openMessage(session.maildrop, message, house.limits.wholeMessageBytesMax)
    return { kind: 'message', text: `${message.size} octets`, bytes }
  },
})
