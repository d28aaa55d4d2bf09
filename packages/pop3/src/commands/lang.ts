// LANG (RFC 6856 §3): replies are in English.
import { bad, ok } from '../answers.ts'
import { defineCommand } from './command.ts'

export const lang = defineCommand({
  name: 'LANG',
  states: ['authorization', 'transaction'],
  parse: (text) => text.trim().toLowerCase(),
  run(_context, tag) {
    if (tag === '') return { kind: 'lines', text: 'languages', lines: ['en English', 'i-default English'] }
    // RFC 6856 §3.1: `*` asks for the server's default.
    if (tag === '*' || tag === 'en' || tag.startsWith('en-')) return ok('en replies are in English')
    if (tag === 'i-default') return ok('i-default replies are in English')
    return bad('language not offered')
  },
})
