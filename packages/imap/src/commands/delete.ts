// DELETE (RFC 9051 §6.3.5).
import { ok } from '../replies.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'

export const deleteMailbox = command({
  name: 'DELETE',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    const { mailboxes } = accountOf(context)
    const record = mailboxes.byName(mailbox)
    await mailboxes.delete(mailbox, { origin: context.origin })
    const { state } = context
    if (state.kind === 'selected' && state.view.mailbox === record?.id) {
      context.advance({ kind: 'deselected' })
      context.out.text('* OK [CLOSED] The selected mailbox was deleted\r\n')
    }
    return ok('Deleted')
  },
})
