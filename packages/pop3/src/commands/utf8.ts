// UTF8 (RFC 6856 §2): from here on headers are served as they are, UTF-8 and all.
import { answers, ok } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const utf8 = defineCommand({
  name: 'UTF8',
  states: ['authorization'],
  parse: noArguments,
  run({ session }) {
    if (session.state !== 'authorization') return answers.wrongState
    session.utf8 = true
    return ok('UTF-8 it is')
  },
})
