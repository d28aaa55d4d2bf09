// CAPABILITY (RFC 9051 §6.1.1).
import { ok } from '../replies.ts'
import { anyState, command, nothing } from './command.ts'

export const capability = command({
  name: 'CAPABILITY',
  states: anyState,
  parse: nothing,
  async run(context) {
    context.out.text(`* CAPABILITY ${context.capabilities()}\r\n`)
    return ok('That is all')
  },
})
