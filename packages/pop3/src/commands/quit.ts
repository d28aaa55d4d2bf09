// QUIT (RFC 1939 §5, §6): after log-in, what is marked is removed before the answer.
import { isErrorCode } from '@skein/runtime'
import { answerForError } from '../answers.ts'
import { defineCommand, noArguments } from './command.ts'

export const quit = defineCommand({
  name: 'QUIT',
  states: ['authorization', 'transaction'],
  parse: noArguments,
  async run(context) {
    const { session, house } = context
    context.session = { state: 'update' }
    if (session.state !== 'transaction') return { kind: 'ok', text: 'bye', thenClose: true }
    const { maildrop } = session
    try {
      await maildrop.update()
      return { kind: 'ok', text: `bye, ${maildrop.count} messages left`, thenClose: true }
    } catch (error) {
      const { answer, isKnown } = answerForError(error)
      if (!isKnown) house.logger.error({ error }, 'POP3: deleting at QUIT failed')
      // RFC 1939 §6.
      const what = isErrorCode(error, 'deletions-incomplete') ? '' : 'nothing was deleted: '
      return { ...answer, text: `${what}${answer.text}` }
    } finally {
      await maildrop.close()
    }
  },
})
