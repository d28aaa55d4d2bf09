// APPEND (RFC 9051 §6.3.12), several messages at once (RFC 3502), UTF8 (RFC 6855 §4), CATENATE (RFC 4469), literal8
// (RFC 3516 §4.4), APPENDUID (RFC 4315). Messages go to the message log as they come; all of them go in, or none.
import { decideOnLiteral, parseAppendMessage } from '../append/append-message.ts'
import type { AppendMessage } from '../append/append-message.ts'
import { composeMessages, releaseIfRefused } from '../append/compose.ts'
import { saveLimit } from '../message-limit.ts'
import { resolveMailbox } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Context, LiteralIntake } from './command.ts'

function parseAppend(cursor: Cursor): { mailbox: string; messages: AppendMessage[] } {
  const mailbox = parseMailbox(cursor)
  const messages: AppendMessage[] = []
  do {
    cursor.space()
    messages.push(parseAppendMessage(cursor))
  } while (!cursor.ended)
  return { mailbox, messages }
}

function intake(context: Context): LiteralIntake {
  return {
    accept(soFar, announcement) {
      soFar.space()
      if (soFar.awaitsLiteral) return 'hold'
      const mailbox = soFar.mailbox()
      const { limits } = context
      const most = saveLimit(limits)
      const messagesMax = Math.min(limits.appendMessagesMax, most > 0 ? most : limits.appendMessagesMax)
      return decideOnLiteral(context, soFar, announcement, { mailbox, messagesMax, freedBytes: 0 })
    },
  }
}

export const append = command({
  name: 'APPEND',
  states: loggedIn,
  hasDestination: true,
  parse: parseAppend,
  intake,
  async run(context, { mailbox, messages }) {
    const composed = await composeMessages(context, messages)
    if ('status' in composed) return composed
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) {
      composed.release()
      return no('There is no such mailbox', 'TRYCREATE')
    }
    const { mailboxes, record } = access
    try {
      const appended = await mailboxes.append(record.id, composed.messages, { origin: context.origin })
      const { state } = context
      if (state.kind === 'selected' && state.view.mailbox === record.id) state.view.noteGrown()
      return ok('Appended', appendUid(appended))
    } catch (error) {
      releaseIfRefused(composed, error)
      throw error
    }
  },
})

function appendUid(appended: readonly ({ uid: number; uidValidity: number } | 'duplicate')[]): string | undefined {
  const kept = appended.filter((result) => result !== 'duplicate')
  const first = kept[0]
  return first === undefined ? undefined : `APPENDUID ${first.uidValidity} ${formatNumbers(kept.map(({ uid }) => uid))}`
}
