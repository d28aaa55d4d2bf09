// STARTTLS (RFC 9051 §6.2.1).
import { bad, ok } from '../replies.ts'
import { command, nothing } from './command.ts'

export const starttls = command({
  name: 'STARTTLS',
  states: ['not-authenticated'],
  parse: nothing,
  async run(context) {
    const obstacle = context.tlsObstacle()
    if (obstacle !== undefined) return bad(obstacle)
    context.startTlsAfterReply()
    return ok('Begin TLS now')
  },
})
