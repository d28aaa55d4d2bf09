// USER (RFC 1939 §7). Every name is welcome, so that nobody learns which exist.
import { answers, ok } from '../answers.ts'
import { defineCommand } from './command.ts'

export const user = defineCommand({
  name: 'USER',
  states: ['authorization'],
  parse: (text) => (text.trim() === '' ? undefined : text.trim()),
  run(context, name) {
    if (!context.mayLogIn) return answers.needsTls
    if (context.session.state === 'authorization') context.session.user = name
    return ok('password, please')
  },
})
