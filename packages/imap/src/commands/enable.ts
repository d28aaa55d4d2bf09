// ENABLE (RFC 5161).
import { ok } from '../replies.ts'
import { command, loggedIn } from './command.ts'
import type { Context } from './command.ts'

const switches: Readonly<Record<string, (context: Context) => void>> = {
  CONDSTORE: ({ enabled }) => {
    enabled.condstore = true
  },
  // RFC 7162 §3.2.3: QRESYNC means CONDSTORE too.
  QRESYNC: ({ enabled }) => {
    enabled.condstore = true
    enabled.qresync = true
  },
  'UTF8=ACCEPT': ({ enabled }) => {
    enabled.utf8 = true
  },
}

export const enable = command({
  name: 'ENABLE',
  states: loggedIn,
  parse(cursor) {
    const names: string[] = []
    do {
      cursor.space()
      names.push(cursor.keyword())
    } while (!cursor.ended)
    return names
  },
  async run(context, names) {
    const known = names.filter((name) => Object.hasOwn(switches, name))
    for (const name of known) switches[name]?.(context)
    context.out.text(`* ENABLED${known.map((name) => ` ${name}`).join('')}\r\n`)
    return ok('Enabled')
  },
})
