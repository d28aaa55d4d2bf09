// UIDL (RFC 1939 §7).
import type { Maildrop } from '../maildrop.ts'
import { answers, ok } from '../answers.ts'
import { defineCommand, parseNumberOrAll } from './command.ts'

function* uniqueIds(maildrop: Maildrop): Iterable<string> {
  for (const number of maildrop.numbers()) yield `${number} ${maildrop.uniqueId(number)}`
}

export const uidl = defineCommand({
  name: 'UIDL',
  states: ['transaction'],
  parse: (text) => {
    const number = parseNumberOrAll(text)
    return number === undefined ? undefined : { number }
  },
  run({ session }, { number }) {
    if (session.state !== 'transaction') return answers.wrongState
    const { maildrop } = session
    if (number === null) return { kind: 'lines', text: 'unique ids', lines: uniqueIds(maildrop) }
    return maildrop.message(number) ? ok(`${number} ${maildrop.uniqueId(number)}`) : answers.noSuchMessage
  },
})
