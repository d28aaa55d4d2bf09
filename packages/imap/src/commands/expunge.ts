// EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). The answers come with the announcement after it.
import type { MessageRecord } from '@skein/mailboxes'
import { newestOf } from '../message-limit.ts'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { MailboxView, Span } from '../view.ts'
import { findRecord } from '../view.ts'
import { command, nothing, parseSet, selected, selectedOf } from './command.ts'
import type { Context } from './command.ts'

/** UIDs with \Deleted, of all that this session knows of or of `spans`. */
export function deletedUids(live: readonly MessageRecord[], view: MailboxView, spans?: readonly Span[]): number[] {
  const uids: number[] = []
  for (const { first, last } of spans ?? [{ first: 0, last: view.count - 1 }]) {
    for (let index = first; index <= last; index++) {
      const record = findRecord(live, view.uidAt(index), index)
      if (record?.flags.includes('\\Deleted') === true) uids.push(record.uid)
    }
  }
  return uids
}

async function expungeOf(context: Context, spans?: readonly Span[], cut?: string): Promise<Reply> {
  const { mailboxes, view } = selectedOf(context)
  if (view.readOnly) return no('The mailbox is open for reading only', 'READ-ONLY')
  const uids = deletedUids(await mailboxes.messages(view.mailbox), view, spans)
  if (uids.length > 0) {
    const expunging = mailboxes.expunge(view.mailbox, uids, { origin: context.origin })
    view.noteExpunged(await context.progress.during(expunging))
  }
  const modseq = mailboxes.byId(view.mailbox)?.highestModseq
  // RFC 7162 §3.2.7: so that the client's cache is valid up to here.
  const code = context.enabled.qresync && modseq !== undefined ? `HIGHESTMODSEQ ${modseq}` : undefined
  if (cut === undefined) return ok('Expunged', code)
  // Only one code fits into an answer: what is left undone is the more important one.
  if (code !== undefined) context.out.text(`* OK [${code}] The newest change\r\n`)
  return ok('The newest of them expunged', cut)
}

export const expunge = command({
  name: 'EXPUNGE',
  states: selected,
  parse: nothing,
  run: (context) => expungeOf(context),
})

export const uidExpunge = command({
  name: 'UID EXPUNGE',
  states: selected,
  parse: parseSet,
  run(context, set) {
    const { view } = selectedOf(context)
    const { spans, code } = newestOf(view, view.spans(set, 'uid'), context.limits)
    return expungeOf(context, spans, code)
  },
})
