// PASS (RFC 1939 §7): the whole rest of the line is the password, spaces included.
import { answers, bad } from '../answers.ts'
import { defineCommand } from './command.ts'

export const pass = defineCommand({
  name: 'PASS',
  states: ['authorization'],
  parse: (text) => (text === '' ? undefined : text),
  async run(context, password) {
    if (!context.mayLogIn) return answers.needsTls
    const { session } = context
    if (session.state !== 'authorization' || session.user === null) return bad('USER comes first')
    const name = session.user
    session.user = null
    const { house, remoteAddress } = context
    return context.finishLogin(await house.authenticator.login({ name, password, remoteAddress, protocol: 'pop3' }))
  },
})
