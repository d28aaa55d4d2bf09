// APPEND (RFC 9051 §6.3.12), several messages at once (RFC 3502), UTF8 (RFC 6855 §4), APPENDUID (RFC 4315).
// Messages go to the message log as they come; one commit puts all of them in, or none.
import type { BlobRef, NewMessage } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatNumbers } from '../wire/sequence-set.ts'
import type { StoredLiteral } from '../wire/literal.ts'
import { fault } from '../wire/syntax-error.ts'
import { peekMailbox, resolveMailbox } from '../mailbox-access.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Context, LiteralIntake } from './command.ts'
import { parseFlagList } from './flags.ts'

interface MessageArguments {
  flags: string[]
  internalDateMs: number | undefined
  literal: StoredLiteral
}

interface AppendArguments {
  mailbox: string
  messages: MessageArguments[]
}

/** What comes before a message; true where `UTF8 (` has opened a parenthesis. */
function parseBefore(cursor: Cursor): { flags: string[]; internalDateMs: number | undefined; utf8: boolean } {
  let flags: string[] = []
  let internalDateMs: number | undefined
  if (cursor.sees('(')) {
    flags = parseFlagList(cursor)
    cursor.space()
  }
  if (cursor.sees('"')) {
    internalDateMs = cursor.dateTime()
    cursor.space()
  }
  let utf8 = false
  if (!cursor.awaitsLiteral && !cursor.seesMessage) {
    if (cursor.keyword() !== 'UTF8') fault('a message literal is wanted')
    cursor.space()
    cursor.want('(')
    utf8 = true
  }
  return { flags, internalDateMs, utf8 }
}

function parseMessage(cursor: Cursor): MessageArguments {
  const { flags, internalDateMs, utf8 } = parseBefore(cursor)
  const literal = cursor.message()
  if (utf8) cursor.want(')')
  return { flags, internalDateMs, literal }
}

function parseAppend(cursor: Cursor): AppendArguments {
  const mailbox = parseMailbox(cursor)
  const messages: MessageArguments[] = []
  do {
    cursor.space()
    messages.push(parseMessage(cursor))
  } while (!cursor.ended)
  return { mailbox, messages }
}

/** Says no to a message before it is sent, where that can be known. */
function intake(context: Context): LiteralIntake {
  return {
    accept(soFar, announcement) {
      soFar.space()
      if (soFar.awaitsLiteral) return 'hold'
      const name = soFar.mailbox()
      let announcedBytes = announcement.bytes
      for (let count = 1; ; count++) {
        soFar.space()
        const { utf8 } = parseBefore(soFar)
        if (count > context.limits.appendMessagesMax) return no('That is too many messages at once', 'LIMIT')
        if (!soFar.seesMessage) break
        announcedBytes += soFar.message().length
        if (utf8) soFar.want(')')
      }
      return refusalOf(context, name, announcement.bytes, announcedBytes) ?? context.services.log.writer()
    },
  }
}

function refusalOf(context: Context, name: string, bytes: number, allBytes: number): Reply | undefined {
  const access = peekMailbox(context, name)
  if (access === undefined) return no('There is no such mailbox', 'TRYCREATE')
  if (bytes > context.limits.literalBytesMax) return no('The message is too big', 'TOOBIG')
  // RFC 3502 §6.3.11: an empty message calls the whole command off.
  if (bytes === 0) return no('An empty message cannot be kept')
  if (access === 'later') return undefined
  const { usedBytes, quotaBytes } = access.mailboxes.state()
  if (usedBytes + allBytes > quotaBytes) return no('The quota would be exceeded', 'OVERQUOTA')
  return undefined
}

/** All the messages, durable; where one could not be written, none are kept. */
async function durableBlobs(context: Context, messages: readonly MessageArguments[]): Promise<BlobRef[]> {
  const written = await Promise.allSettled(messages.map((message) => message.literal.blob))
  const blobs = written.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  for (const result of written) {
    if (result.status === 'fulfilled') continue
    for (const blob of blobs) context.services.log.release(blob)
    throw result.reason
  }
  return blobs
}

export const append = command({
  name: 'APPEND',
  states: loggedIn,
  hasDestination: true,
  parse: parseAppend,
  intake,
  async run(context, { mailbox, messages }) {
    const blobs = await durableBlobs(context, messages)
    const nowMs = context.services.clock.nowMs()
    const wanted: NewMessage[] = messages.map((message, at) => ({
      blob: blobs[at] as BlobRef,
      flags: message.flags,
      internalDateMs: message.internalDateMs ?? nowMs,
      ...(message.literal.bytes === undefined ? {} : { bytes: message.literal.bytes }),
    }))
    const access = await resolveMailbox(context, mailbox)
    const release = () => blobs.forEach((blob) => context.services.log.release(blob))
    if (access === undefined) {
      release()
      return no('There is no such mailbox', 'TRYCREATE')
    }
    const { mailboxes, record } = access
    try {
      const appended = await mailboxes.append(record.id, wanted, { origin: context.origin })
      const { state } = context
      if (state.kind === 'selected' && state.view.mailbox === record.id) state.view.noteGrown()
      return ok('Appended', appendUid(appended))
    } catch (error) {
      // Refused means not done; after anything else the messages may be in, so their bytes stay.
      if (error instanceof SkeinError && error.kind === 'refused') release()
      throw error
    }
  },
})

function appendUid(appended: readonly ({ uid: number; uidValidity: number } | 'duplicate')[]): string | undefined {
  const kept = appended.filter((result) => result !== 'duplicate')
  const first = kept[0]
  return first === undefined ? undefined : `APPENDUID ${first.uidValidity} ${formatNumbers(kept.map(({ uid }) => uid))}`
}
