// REPLACE and UID REPLACE (RFC 8508): a message for another one in one step, literal or put together (RFC 4469).
import { decideOnLiteral, parseAppendMessage } from '../append/append-message.ts'
import type { AppendMessage } from '../append/append-message.ts'
import { composeMessages, releaseIfRefused } from '../append/compose.ts'
import type { NewMessage } from '@skein/mailboxes'
import { resolveMailbox } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
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

/** Where the new message goes, or what is said instead. */
async function destinationOf(context: Context, mailbox: string): Promise<MailboxAccess | Reply> {
  const access = await resolveMailbox(context, mailbox)
  if (access === undefined) return no('There is no such mailbox', 'TRYCREATE')
  const same = access.mailboxes.accountId === selectedOf(context).mailboxes.accountId
  return same ? access : no('Both mailboxes must be of one person', 'CANNOT')
}

async function replaceWith(context: Context, uid: number, to: string, message: NewMessage): Promise<Reply> {
  const { mailboxes, view } = selectedOf(context)
  const appended = await context.progress.during(
    mailboxes.replace(view.mailbox, uid, message, { to, origin: context.origin }),
  )
  view.noteExpunged([uid])
  if (to === view.mailbox) view.noteGrown()
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
        const destination = typeof uid === 'number' ? await destinationOf(context, mailbox) : uid
        if (typeof uid === 'number' && 'record' in destination) {
          return await replaceWith(context, uid, destination.record.id, composed.messages[0] as NewMessage)
        }
        composed.release()
        return destination as Reply
      } catch (error) {
        releaseIfRefused(composed, error)
        throw error
      }
    },
  })
}

export const replace = replaceCommand('REPLACE', 'sequence')
export const uidReplace = replaceCommand('UID REPLACE', 'uid')
