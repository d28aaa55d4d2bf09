// STLS (RFC 2595 §4).
import { bad } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const stls = defineCommand({
  name: 'STLS',
  states: ['authorization'],
  parse: noArguments,
  run: ({ isSecure }) => (isSecure ? bad('TLS is active already') : { kind: 'start-tls', text: 'begin TLS' }),
})
