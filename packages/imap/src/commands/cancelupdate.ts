// CANCELUPDATE (RFC 5267 §4.3.5): results that are not to be kept up to date any more.
import { no, ok } from '../replies.ts'
import { contextsOf } from '../search/search-contexts.ts'
import { command, selected } from './command.ts'

export const cancelupdate = command({
  name: 'CANCELUPDATE',
  states: selected,
  parse(cursor) {
    const tags: string[] = []
    do {
      cursor.space()
      tags.push(cursor.string())
    } while (!cursor.ended)
    return tags
  },
  async run(context, tags) {
    const contexts = contextsOf(context)
    const known = tags.filter((tag) => contexts.close(tag))
    return known.length === tags.length ? ok('No further updates') : no('There is no such context')
  },
})
