// TOP (RFC 1939 §7): the header and the first lines of the body.
import { answers } from '../answers.ts'
import { downgradeStream } from '../wire/downgrade.ts'
import { TopOfMessage } from '../wire/top-of-message.ts'
import { defineCommand, parseNumber } from './command.ts'
import { openTop } from './open-message.ts'

async function* topOf(bytes: AsyncIterable<Uint8Array>, lines: number): AsyncGenerator<Uint8Array, void, undefined> {
  const top = new TopOfMessage(lines)
  for await (const chunk of bytes) {
    yield top.take(chunk)
    if (top.isDone) return
  }
}

export const top = defineCommand({
  name: 'TOP',
  states: ['transaction'],
  parse: (text) => {
    const match = /^(\d+) +(\d{1,40})$/.exec(text)
    const number = parseNumber(match?.[1] ?? '')
    return number === undefined ? undefined : { number, lines: Number(match?.[2]) }
  },
  async run({ session, house }, { number, lines }) {
    if (session.state !== 'transaction') return answers.wrongState
    const message = session.maildrop.message(number)
    if (!message) return answers.noSuchMessage
    const bytes = await openTop(session.maildrop, message, house.limits.topFirstReadBytes)
    return {
      kind: 'message',
      text: 'top of message',
      bytes: topOf(session.utf8 || !house.asciiHeaders ? bytes : downgradeStream(bytes), lines),
    }
  },
})
