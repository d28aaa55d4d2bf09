// One message of APPEND and REPLACE as the client gives it (RFC 4466 append-message): a literal, or parts to be put
// together (RFC 4469). Read once while its literals are still to come, and once when all are there.
import type { BlobWriter } from '@skein/mailboxes'
import { parseFlagList } from '../commands/flags.ts'
import type { Context } from '../commands/command.ts'
import { tooManyToSave } from '../message-limit.ts'
import { peekMailbox } from '../mailbox-access.ts'
import { no } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import type { LiteralAnnouncement, StoredLiteral } from '../wire/literal.ts'
import { fault } from '../wire/syntax-error.ts'

/** A URL of a message here, or text that the client sends. */
export type CatenatePart = { kind: 'url'; url: string } | { kind: 'text'; literal: StoredLiteral }

export interface AppendMessage {
  flags: string[]
  internalDateMs: number | undefined
  content: StoredLiteral | readonly CatenatePart[]
}

interface Before {
  flags: string[]
  internalDateMs: number | undefined
  /** `UTF8 (` and `CATENATE (` have opened a parenthesis. */
  form: 'literal' | 'UTF8' | 'CATENATE'
}

/** Flags, date, and the word before what is the message itself. */
function parseBefore(cursor: Cursor): Before {
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
  if (cursor.awaitsLiteral || cursor.seesMessage) return { flags, internalDateMs, form: 'literal' }
  const form = cursor.keyword()
  if (form !== 'UTF8' && form !== 'CATENATE') fault('a message literal is wanted')
  cursor.space()
  cursor.want('(')
  return { flags, internalDateMs, form }
}

/** What stands at the end of what has come so far. */
type Awaited = 'message' | 'text' | 'url'

/** Passes over the parts that are there. @returns what is awaited, or undefined where all parts are there. */
function passParts(cursor: Cursor, take: (part: CatenatePart) => void): Awaited | undefined {
  do {
    const word = cursor.keyword()
    cursor.space()
    if (word === 'TEXT') {
      if (cursor.awaitsLiteral) return 'text'
      take({ kind: 'text', literal: cursor.message() })
    } else if (word === 'URL') {
      if (cursor.awaitsLiteral) return 'url'
      take({ kind: 'url', url: cursor.astring() })
    } else fault('TEXT or URL is wanted')
  } while (cursor.take(' '))
  cursor.want(')')
  return undefined
}

export function parseAppendMessage(cursor: Cursor): AppendMessage {
  const { flags, internalDateMs, form } = parseBefore(cursor)
  if (form === 'CATENATE') {
    const content: CatenatePart[] = []
    if (passParts(cursor, (part) => content.push(part)) !== undefined) fault('a literal is missing')
    return { flags, internalDateMs, content }
  }
  const content = cursor.message()
  if (form === 'UTF8') cursor.want(')')
  return { flags, internalDateMs, content }
}

/**
 * Decides on a literal within the messages of a command, as far as it has come; the cursor stands behind the mailbox's
 * name. Says no before a message is sent, where that can be known.
 */
export function decideOnLiteral(
  context: Context,
  soFar: Cursor,
  announcement: LiteralAnnouncement,
  target: { mailbox: string; messagesMax: number; freedBytes: number },
): BlobWriter | 'hold' | Reply {
  let bytes = announcement.bytes
  for (let count = 1; ; count++) {
    soFar.space()
    const { form } = parseBefore(soFar)
    if (count > target.messagesMax)
      return no('That is too many messages at once', tooManyToSave(count, context.limits) ?? 'LIMIT')
    let awaited: Awaited | undefined = 'message'
    if (form === 'CATENATE') {
      awaited = passParts(soFar, (part) => {
        if (part.kind === 'text') bytes += part.literal.length
      })
    } else if (soFar.seesMessage) {
      bytes += soFar.message().length
      if (form === 'UTF8') soFar.want(')')
      awaited = undefined
    }
    if (awaited === 'url') return 'hold'
    if (awaited === 'text') break
    if (awaited === 'message') {
      // RFC 3502 §6.3.11: an empty message calls the whole command off.
      if (announcement.bytes === 0) return no('An empty message cannot be kept')
      break
    }
  }
  return refusalOf(context, target, announcement.bytes, bytes) ?? context.services.log.writer()
}

function refusalOf(
  context: Context,
  { mailbox, freedBytes }: { mailbox: string; freedBytes: number },
  bytes: number,
  allBytes: number,
): Reply | undefined {
  const access = peekMailbox(context, mailbox)
  if (access === undefined) return no('There is no such mailbox', 'TRYCREATE')
  if (bytes > context.limits.literalBytesMax) return no('The message is too big', 'TOOBIG')
  if (access === 'later') return undefined
  const { usedBytes, quotaBytes } = access.mailboxes.state()
  // A quota of 0 bytes means none.
  if (quotaBytes > 0 && usedBytes + allBytes - freedBytes > quotaBytes)
    return no('The quota would be exceeded', 'OVERQUOTA')
  return undefined
}
