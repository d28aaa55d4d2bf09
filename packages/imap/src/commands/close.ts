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
    let expunged = 0
    // RFC 4314 §4: without the right nothing is expunged, and nothing is said.
    if (!view.readOnly && !view.gone && mailboxes.rights(view.mailbox).includes('e')) {
      const uids = deletedUids(await mailboxes.messages(view.mailbox), view)
      // Nobody is told here (RFC 9051 §6.4.1); other sessions are.
      if (uids.length > 0) {
        const expunging = mailboxes.expunge(view.mailbox, uids, { origin: context.origin })
        expunged = (await context.progress.during(expunging)).length
      }
    }
    context.advance({ kind: 'deselected' })
    // RFC 7162 §3.2.8: so that the client's cache is valid up to here.
    const modseq = expunged > 0 && context.enabled.qresync ? mailboxes.byId(view.mailbox)?.highestModseq : undefined
    return ok('Closed', modseq === undefined ? undefined : `HIGHESTMODSEQ ${modseq}`)
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
