// NOOP (RFC 1939 §5).
import { ok } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const noop = defineCommand({
  name: 'NOOP',
  states: ['transaction'],
  parse: noArguments,
  run: () => ok('still here'),
})
