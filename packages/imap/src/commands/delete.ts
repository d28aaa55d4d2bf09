// DELETE (RFC 9051 §6.3.5).
import { resolveMailbox } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { command, loggedIn, parseMailbox } from './command.ts'

export const deleteMailbox = command({
  name: 'DELETE',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    await access.mailboxes.delete(access.name, { origin: context.origin })
    const { state } = context
    if (state.kind === 'selected' && state.view.mailbox === access.record.id) {
      context.advance({ kind: 'deselected' })
      context.out.text('* OK [CLOSED] The selected mailbox was deleted\r\n')
    }
    return ok('Deleted')
  },
})
