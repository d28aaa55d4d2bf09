// REPLACE and UID REPLACE (RFC 8508): a message for another one in one step, literal or put together (RFC 4469).
import { decideOnLiteral, parseAppendMessage } from '../append/append-message.ts'
import type { AppendMessage } from '../append/append-message.ts'
import { composeMessages, releaseIfRefused } from '../append/compose.ts'
import type { NewMessage } from '@skein/mailboxes'
import { resolveMailbox } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { replaceAway } from '../transfer.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import type { SequenceSet } from '../wire/sequence-set.ts'
import { fault } from '../wire/syntax-error.ts'
import { command, parseMailbox, parseSet, selected, selectedOf } from './command.ts'
import type { Command, Context, LiteralIntake, Numbering } from './command.ts'

interface ReplaceArguments {
  set: SequenceSet
  mailbox: string
  message: AppendMessage
}

/** RFC 8508 §5: one number, no set. */
function parseOne(cursor: Cursor): SequenceSet {
  const set = parseSet(cursor)
  const [range, ...more] = set.kind === 'numbers' ? set.ranges : []
  if (range === undefined || more.length > 0 || range.from !== range.to) fault('one message is wanted')
  return set
}

function parseReplace(cursor: Cursor): ReplaceArguments {
  const set = parseOne(cursor)
  const mailbox = parseMailbox(cursor)
  cursor.space()
  return { set, mailbox, message: parseAppendMessage(cursor) }
}

function intake(context: Context): LiteralIntake {
  return {
    accept(soFar, announcement) {
      parseOne(soFar)
      soFar.space()
      if (soFar.awaitsLiteral) return 'hold'
      const mailbox = soFar.mailbox()
      // RFC 8508 §3.4: what the replaced message takes up counts for the new one; so it is weighed when all is here.
      return decideOnLiteral(context, soFar, announcement, { mailbox, messagesMax: 1, freedBytes: Infinity })
    },
  }
}

/** The UID to be replaced, or what is said instead. */
function replacedUid(context: Context, set: SequenceSet, numbering: Numbering): number | Reply {
  const { view } = selectedOf(context)
  const [uid] = view.uidsOf(view.spans(set, numbering))
  if (view.readOnly) return no('The mailbox is open for reading only', 'READ-ONLY')
  if (uid === undefined) return no('There is no such message')
  return view.isExpunged(uid) ? no('The message is gone', 'EXPUNGEISSUED') : uid
}

async function replaceWith(context: Context, uid: number, to: MailboxAccess, message: NewMessage): Promise<Reply> {
  const { mailboxes, view } = selectedOf(context)
  const appended = await context.progress.during(
    to.mailboxes === mailboxes
      ? mailboxes.replace(view.mailbox, uid, message, { to: to.record.id, origin: context.origin })
      : replaceAway(context, { mailboxes, mailbox: view.mailbox }, uid, message, to),
  )
  view.noteExpunged([uid])
  if (to.record.id === view.mailbox) view.noteGrown()
  // RFC 8508 §4.3: before the EXPUNGE answer.
  context.out.text(`* OK [APPENDUID ${appended.uidValidity} ${appended.uid}] The new message is there\r\n`)
  // RFC 7162 §3.2.10, as for UID EXPUNGE.
  const modseq = mailboxes.byId(view.mailbox)?.highestModseq
  return ok('Replaced', context.enabled.qresync && modseq !== undefined ? `HIGHESTMODSEQ ${modseq}` : undefined)
}

function replaceCommand(name: string, numbering: Numbering): Command {
  return command<ReplaceArguments>({
    name,
    states: selected,
    hasDestination: true,
    parse: parseReplace,
    intake,
    async run(context, { set, mailbox, message }) {
      const composed = await composeMessages(context, [message])
      if ('status' in composed) return composed
      try {
        const uid = replacedUid(context, set, numbering)
        const to = await resolveMailbox(context, mailbox)
        if (typeof uid === 'number' && to !== undefined) {
          return await replaceWith(context, uid, to, composed.messages[0] as NewMessage)
        }
        composed.release()
        return typeof uid === 'number' ? no('There is no such mailbox', 'TRYCREATE') : uid
      } catch (error) {
        releaseIfRefused(composed, error)
        throw error
      }
    },
  })
}

export const replace = replaceCommand('REPLACE', 'sequence')
export const uidReplace = replaceCommand('UID REPLACE', 'uid')
