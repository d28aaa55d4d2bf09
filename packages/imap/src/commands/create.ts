// CREATE (RFC 9051 §6.3.4) with a special use (RFC 6154 §3) and MAILBOXID (RFC 8474 §4.1).
import type { SpecialUse } from '@skein/mailboxes'
import { no, ok } from '../replies.ts'
import { fault } from '../wire/syntax-error.ts'
import { namedAnswer } from '../list-answer.ts'
import { resolveName, shownName } from '../mailbox-access.ts'
import { command, loggedIn, parseMailbox } from './command.ts'

const USES: readonly SpecialUse[] = [
  '\\Sent',
  '\\Drafts',
  '\\Trash',
  '\\Junk',
  '\\Archive',
  '\\All',
  '\\Flagged',
  '\\Important',
]

/** `\All` and `\Flagged` would be views over other mailboxes, which there are none of. */
const UNSUPPORTED_USES: readonly string[] = ['\\All', '\\Flagged']

export const create = command({
  name: 'CREATE',
  states: loggedIn,
  parse(cursor) {
    const mailbox = parseMailbox(cursor)
    const uses: string[] = []
    if (cursor.take(' ')) {
      cursor.list(() => {
        if (cursor.keyword() !== 'USE') fault('there is no such parameter')
        cursor.space()
        uses.push(...cursor.list(() => cursor.flag(), true))
      })
    }
    return { mailbox, uses }
  },
  async run(context, { mailbox, uses }) {
    const known = uses.map((use) => USES.find((name) => name.toLowerCase() === use.toLowerCase()))
    const specialUse = known[0]
    if (known.length > 1 || known.includes(undefined) || UNSUPPORTED_USES.includes(specialUse ?? '')) {
      return no('A mailbox cannot be made for that use', 'USEATTR')
    }
    // A trailing separator only says that children will come (RFC 9051 §6.3.4).
    const name = mailbox.endsWith('/') ? mailbox.slice(0, -1) : mailbox
    const place = await resolveName(context, name)
    if (place === undefined) return no('There is no such user to make it for', 'NONEXISTENT')
    const options = specialUse === undefined ? {} : { specialUse }
    const record = await place.mailboxes.create(place.name, { ...options, origin: context.origin })
    const shown = shownName({ ...place, record })
    // RFC 9051 §6.3.4: where the name was normalised.
    if (context.enabled.rev2 && shown !== name) context.out.text(namedAnswer(shown, name, context.enabled.utf8))
    return ok('Created', `MAILBOXID (${record.id})`)
  },
})
