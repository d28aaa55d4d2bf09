// LIST (RFC 1939 §5).
import type { Maildrop } from '../maildrop.ts'
import { answers, ok } from '../answers.ts'
import { defineCommand, parseNumberOrAll } from './command.ts'

function* sizes(maildrop: Maildrop): Iterable<string> {
  for (const number of maildrop.numbers()) yield `${number} ${maildrop.message(number)?.size ?? 0}`
}

export const list = defineCommand({
  name: 'LIST',
  states: ['transaction'],
  // Null stands for all, and undefined for a mistake.
  parse: (text) => {
    const number = parseNumberOrAll(text)
    return number === undefined ? undefined : { number }
  },
  run({ session }, { number }) {
    if (session.state !== 'transaction') return answers.wrongState
    const { maildrop } = session
    if (number === null) {
      return { kind: 'lines', text: `${maildrop.count} messages (${maildrop.octets} octets)`, lines: sizes(maildrop) }
    }
    const message = maildrop.message(number)
    return message ? ok(`${number} ${message.size}`) : answers.noSuchMessage
  },
})
