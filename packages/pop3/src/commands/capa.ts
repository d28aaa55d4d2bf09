// CAPA (RFC 2449).
import { mechanismsOffered } from './auth.ts'
import { defineCommand, noArguments } from './command.ts'

export const capa = defineCommand({
  name: 'CAPA',
  states: ['authorization', 'transaction'],
  parse: noArguments,
  run(context) {
    const { isSecure, mayLogIn, session } = context
    const lines = ['TOP', 'UIDL', 'RESP-CODES', 'AUTH-RESP-CODE', 'PIPELINING', 'LOGIN-DELAY 0']
    lines.push(`EXPIRE ${context.house.expireDays ?? 'NEVER'}`)
    // RFC 6856 §2: names and passwords may be UTF-8.
    lines.push('UTF8 USER', 'LANG')
    if (mayLogIn) lines.push('USER', `SASL ${mechanismsOffered(context).join(' ')}`)
    if (!isSecure && session.state === 'authorization') lines.push('STLS')
    lines.push('IMPLEMENTATION Skein')
    return { kind: 'lines', text: 'capabilities', lines }
  },
})
