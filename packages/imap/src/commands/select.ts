// SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).
import type { MailboxRecord, MessageRecord } from '@skein/mailboxes'
import { no, ok } from '../replies.ts'
import type { Enabled } from '../session.ts'
import type { Cursor } from '../wire/cursor.ts'
import { namedAnswer } from '../list-answer.ts'
import { fault } from '../wire/syntax-error.ts'
import { parseResync, resynchronise } from '../resync.ts'
import type { Resync } from '../resync.ts'
import { MailboxView } from '../view.ts'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Command } from './command.ts'

interface SelectArguments {
  mailbox: string
  condstore: boolean
  resync: Resync | undefined
}

function parseSelect(cursor: Cursor): SelectArguments {
  const result: SelectArguments = { mailbox: parseMailbox(cursor), condstore: false, resync: undefined }
  if (!cursor.take(' ')) return result
  cursor.list(() => {
    const name = cursor.keyword()
    if (name === 'CONDSTORE') result.condstore = true
    else if (name === 'QRESYNC') result.resync = parseResync(cursor)
    else fault('there is no such parameter')
  })
  return result
}

function firstUnseen(live: readonly MessageRecord[]): number {
  return live.findIndex((record) => !record.flags.includes('\\Seen')) + 1
}

function describe(
  record: Readonly<MailboxRecord>,
  view: MailboxView,
  live: readonly MessageRecord[],
  names: { asked: string; shown: string },
  { rev2, uidOnly, utf8 }: Enabled,
): string {
  const lines = [`${view.flagsAnswer()}* ${view.count} EXISTS\r\n`]
  // \Recent is not kept (RFC 9051 §2.3.2 dropped it): no message is recent for anyone.
  if (!rev2) lines.push('* 0 RECENT\r\n')
  // A sequence number (RFC 9586 §3), and no part of IMAP4rev2 (RFC 9051 Appendix E).
  const unseen = record.unseen > 0 && !rev2 && !uidOnly ? firstUnseen(live) : 0
  if (unseen > 0) lines.push(`* OK [UNSEEN ${unseen}] The first unseen message\r\n`)
  lines.push(
    `* OK [UIDVALIDITY ${record.uidValidity}] UIDs are valid\r\n`,
    `* OK [UIDNEXT ${record.uidNext}] The next UID\r\n`,
    `* OK [HIGHESTMODSEQ ${record.highestModseq}] The newest change\r\n`,
    `* OK [MAILBOXID (${record.id})] The name for ever\r\n`,
  )
  if (rev2) {
    // RFC 9051 §6.3.2: by its own name, and by the one that the client used for it.
    lines.push(namedAnswer(names.shown, names.asked, utf8))
  }
  return lines.join('')
}

function selectCommand(name: 'SELECT' | 'EXAMINE'): Command {
  return command<SelectArguments>({
    name,
    states: loggedIn,
    parse: parseSelect,
    async run(context, { mailbox, condstore, resync }) {
      if (resync !== undefined && !context.enabled.qresync) fault('ENABLE QRESYNC comes first')
      // RFC 9586 §3.
      if (resync?.match !== undefined && context.enabled.uidOnly) {
        fault('sequence numbers are switched off: leave them out', 'UIDREQUIRED')
      }
      if (condstore) context.enabled.condstore = true
      if (context.state.kind === 'selected') {
        context.advance({ kind: 'deselected' })
        // RFC 7162 §3.2.11, RFC 9051 §6.3.2: what follows is about the new mailbox.
        if (context.enabled.qresync || context.enabled.rev2) context.out.text('* OK [CLOSED] The mailbox is closed\r\n')
      }
      const access = await resolveMailbox(context, mailbox)
      if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
      const { mailboxes, record: before } = access
      const live = await mailboxes.messages(before.id)
      const record = mailboxes.byId(before.id)
      if (record === undefined) return no('There is no such mailbox', 'NONEXISTENT')
      // RFC 4314 §5.2: without any right to change it.
      const readOnly = name === 'EXAMINE' || !/[swite]/.test(access.rights)
      const view = new MailboxView(record, readOnly, live, context.origin)
      view.rights = access.rights
      view.uidOnly = context.enabled.uidOnly
      context.services.textIndex?.attend(mailboxes.accountId)
      context.advance({ kind: 'selected', mailboxes, view })
      const names = { asked: mailbox, shown: shownName({ ...access, record }) }
      context.out.text(describe(record, view, live, names, context.enabled))
      if (resync?.uidValidity === record.uidValidity) {
        await resynchronise(context, mailboxes, view, resync, record.uidNext)
      }
      return ok(`${name} done`, readOnly ? 'READ-ONLY' : 'READ-WRITE')
    },
  })
}

export const select = selectCommand('SELECT')
export const examine = selectCommand('EXAMINE')
