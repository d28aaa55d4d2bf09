// ENABLE (RFC 5161, RFC 9051 §6.3.1).
import { ok } from '../replies.ts'
import { tellAnnotations } from '../annotation-news.ts'
import { command, loggedIn } from './command.ts'
import type { Context } from './command.ts'

const switches: Readonly<Record<string, (context: Context) => void | Promise<void>>> = {
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
  // RFC 9051 §6.3.1: what UTF8=ACCEPT gives is part of it.
  IMAP4REV2: ({ enabled }) => {
    enabled.rev2 = true
    enabled.utf8 = true
  },
  // RFC 5464 §4.1: from now on changes of annotations are told, or those of the server only.
  METADATA: (context) => tellAnnotations(context, 'all'),
  'METADATA-SERVER': (context) => tellAnnotations(context, 'server'),
  // RFC 9586 §3.
  UIDONLY: ({ enabled, state }) => {
    enabled.uidOnly = true
    if (state.kind === 'selected') state.view.uidOnly = true
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
    for (const name of known) await switches[name]?.(context)
    const shown = known.map((name) => ` ${name === 'IMAP4REV2' ? 'IMAP4rev2' : name}`)
    context.out.text(`* ENABLED${shown.join('')}\r\n`)
    return ok('Enabled')
  },
})
