// CLOSE (RFC 9051 §6.4.1) and UNSELECT (RFC 3691): back to the authenticated state.
import { ok } from '../replies.ts'
import { command, nothing, selected, selectedOf } from './command.ts'
import { deletedUids } from './expunge.ts'

export const close = command({
  name: 'CLOSE',
  states: selected,
  parse: nothing,
  async run(context) {
    const { mailboxes, view } = selectedOf(context)
    if (!view.readOnly && !view.gone) {
      const uids = deletedUids(await mailboxes.messages(view.mailbox), view)
      // Nobody is told here (RFC 9051 §6.4.1); other sessions are.
      if (uids.length > 0) await mailboxes.expunge(view.mailbox, uids, { origin: context.origin })
    }
    context.advance({ kind: 'deselected' })
    return ok('Closed')
  },
})

export const unselect = command({
  name: 'UNSELECT',
  states: selected,
  parse: nothing,
  async run(context) {
    context.advance({ kind: 'deselected' })
    return ok('Closed')
  },
})
