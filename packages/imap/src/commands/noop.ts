// NOOP and CHECK (RFC 9051 §6.1.2, RFC 3501 §6.4.1): news is told after every command, so both only ask for it.
import { ok } from '../replies.ts'
import { anyState, command, nothing, selected } from './command.ts'

export const noop = command({ name: 'NOOP', states: anyState, parse: nothing, run: async () => ok('Nothing done') })

/** What was answered is on disk already. */
export const check = command({ name: 'CHECK', states: selected, parse: nothing, run: async () => ok('All is kept') })
