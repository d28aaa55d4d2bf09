// RETR (RFC 1939 §5): the message byte for byte, or, where the server is set so, with an ASCII header for
// a client that did not say UTF8 (RFC 6856 §2).
import { answers } from '../answers.ts'
import { downgradeMessage, downgradeStream } from '../wire/downgrade.ts'
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
    const bytes = await openMessage(session.maildrop, number, message, house.limits.wholeMessageBytesMax)
    if (session.utf8 || !house.asciiHeaders) return { kind: 'message', text: `${message.size} octets`, bytes }
    if (!(bytes instanceof Uint8Array)) {
      return { kind: 'message', text: `${message.size} octets`, bytes: downgradeStream(bytes) }
    }
    const written = downgradeMessage(bytes)
    return { kind: 'message', text: `${written.length} octets`, bytes: written }
  },
})
