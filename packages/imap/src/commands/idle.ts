// IDLE (RFC 2177): news as it comes, until the client says DONE.
import { bad, ok } from '../replies.ts'
import { command, loggedIn, nothing } from './command.ts'

export const idle = command({
  name: 'IDLE',
  states: loggedIn,
  parse: nothing,
  async run(context) {
    context.out.text('+ idling\r\n')
    const line = await context.watch()
    return line.toUpperCase() === 'DONE' ? ok('Idled') : bad('DONE is wanted')
  },
})
