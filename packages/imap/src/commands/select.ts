// SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).
import type { MailboxRecord, MessageRecord } from '@skein/mailboxes'
import { no, ok } from '../replies.ts'
import type { Enabled } from '../session.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatMailbox, formatString, utf8Bytes } from '../wire/encode.ts'
import { absentNumbers, formatRanges, rangesBelow } from '../wire/sequence-set.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { flagsFetch, MailboxView } from '../view.ts'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Command, Context } from './command.ts'

interface Resync {
  uidValidity: number
  modseq: number
  knownUids: SequenceSet | undefined
}

interface SelectArguments {
  mailbox: string
  condstore: boolean
  resync: Resync | undefined
}

function parseResync(cursor: Cursor): Resync {
  cursor.space()
  cursor.want('(')
  const uidValidity = cursor.nonZeroNumber()
  cursor.space()
  const modseq = cursor.number()
  let knownUids: SequenceSet | undefined
  if (cursor.take(' ')) {
    if (!cursor.sees('(')) knownUids = cursor.sequenceSet()
    if (cursor.sees('(') || cursor.take(' ')) parseMatchData(cursor)
  }
  cursor.want(')')
  return { uidValidity, modseq, knownUids }
}

/** Sequence numbers that the client knows (RFC 7162 §3.2.5.2) would only shorten the answer; it is right without. */
function parseMatchData(cursor: Cursor): void {
  cursor.want('(')
  cursor.sequenceSet()
  cursor.space()
  cursor.sequenceSet()
  cursor.want(')')
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
    const old = names.asked === names.shown ? '' : ` ("OLDNAME" (${formatString(utf8Bytes(names.asked), utf8)}))`
    lines.push(`* LIST () "/" ${formatMailbox(names.shown, utf8)}${old}\r\n`)
  }
  return lines.join('')
}

/**
 * What a client that comes back has missed. Expunges are not remembered one by one: every known UID that is
 * not there is said to have vanished, as RFC 7162 §3.2.5.1 has it for servers without that memory.
 */
async function resynchronise(
  context: Context,
  resync: Resync,
  view: MailboxView,
  live: readonly MessageRecord[],
  uidNext: number,
): Promise<void> {
  const known = rangesBelow(resync.knownUids, uidNext)
  const vanished = formatRanges(absentNumbers(known, view.uids()))
  if (vanished !== '') context.out.text(`* VANISHED (EARLIER) ${vanished}\r\n`)
  let at = 0
  for (const record of live.slice()) {
    while (at < known.length && (known[at]?.last ?? 0) < record.uid) at++
    const range = known[at]
    if (range === undefined) break
    if (record.uid < range.first || record.modseq <= resync.modseq) continue
    context.out.text(flagsFetch(view.indexOf(record.uid) + 1, record, context.enabled))
    const pause = context.out.breathe()
    if (pause) await pause
  }
}

function selectCommand(name: 'SELECT' | 'EXAMINE'): Command {
  return command<SelectArguments>({
    name,
    states: loggedIn,
    parse: parseSelect,
    async run(context, { mailbox, condstore, resync }) {
      if (resync !== undefined && !context.enabled.qresync) fault('ENABLE QRESYNC comes first')
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
      const readOnly = name === 'EXAMINE'
      const view = new MailboxView(record, readOnly, live, context.origin)
      view.uidOnly = context.enabled.uidOnly
      context.services.textIndex?.attend(mailboxes.accountId)
      context.advance({ kind: 'selected', mailboxes, view })
      const names = { asked: mailbox, shown: shownName({ ...access, record }) }
      context.out.text(describe(record, view, live, names, context.enabled))
      if (resync?.uidValidity === record.uidValidity) await resynchronise(context, resync, view, live, record.uidNext)
      return ok(`${name} done`, readOnly ? 'READ-ONLY' : 'READ-WRITE')
    },
  })
}

export const select = selectCommand('SELECT')
export const examine = selectCommand('EXAMINE')
