// Messages given to APPEND and REPLACE on their way into the message log; those of CATENATE are put together here, piece
// by piece, from what the client sent and from messages that are here (RFC 4469).
// Promises: never whole in memory; where one fails, nothing of any of them is kept.
import type { MessageIndex } from '@skein/mail'
import type { AccountMailboxes, BlobRef, BlobWriter, MessageRecord, NewMessage } from '@skein/mailboxes'
import { SkeinError } from '@skein/runtime'
import type { Context } from '../commands/command.ts'
import { parseSection } from '../fetch/fetch-item.ts'
import type { Section } from '../fetch/fetch-item.ts'
import { readSection } from '../fetch/section-source.ts'
import { resolveMailbox } from '../mailbox-access.ts'
import { no } from '../replies.ts'
import type { Reply } from '../replies.ts'
import { findRecord } from '../view.ts'
import { Cursor } from '../wire/cursor.ts'
import { parseImapUrl, shownUrl } from '../wire/imap-url.ts'
import type { ImapUrl } from '../wire/imap-url.ts'
import type { StoredLiteral } from '../wire/literal.ts'
import { decodeMailboxName } from '../wire/mailbox-name.ts'
import { SyntaxFault } from '../wire/syntax-error.ts'
import type { AppendMessage, CatenatePart } from './append-message.ts'

/** Why a message cannot be put together: ends the command. */
class Refused extends Error {
  readonly reply: Reply

  constructor(reply: Reply) {
    super(reply.text)
    this.reply = reply
  }
}

export interface ComposedMessages {
  messages: NewMessage[]
  /** Lets go of all of them: the command did not take them over. */
  release(): void
}

/** All the messages, durable, or why there are none. @throws what the message log throws */
export async function composeMessages(
  context: Context,
  given: readonly AppendMessage[],
): Promise<ComposedMessages | Reply> {
  const { log, clock } = context.services
  const written = await Promise.allSettled(given.map(({ content }) => blobOf(context, content)))
  const blobs = written.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const release = () => blobs.forEach((blob) => log.release(blob))
  const failed = written.find((result) => result.status === 'rejected')
  if (failed !== undefined) {
    release()
    if (failed.reason instanceof Refused) return failed.reason.reply
    throw failed.reason
  }
  const nowMs = clock.nowMs()
  const messages = given.map(({ flags, internalDateMs, content }, at): NewMessage => {
    const bytes = isLiteral(content) ? content.bytes : undefined
    const shared = { blob: blobs[at] as BlobRef, flags, internalDateMs: internalDateMs ?? nowMs }
    return bytes === undefined ? shared : { ...shared, bytes }
  })
  return { messages, release }
}

/** After a failed append: what was refused is let go; after anything else the messages may be in, so their bytes stay. */
export function releaseIfRefused(composed: ComposedMessages, error: unknown): void {
  if (error instanceof SkeinError && error.kind === 'refused') composed.release()
}

function isLiteral(content: AppendMessage['content']): content is StoredLiteral {
  return 'kind' in content
}

function blobOf(context: Context, content: AppendMessage['content']): Promise<BlobRef> {
  return isLiteral(content) ? content.blob : catenate(context, content)
}

async function catenate(context: Context, parts: readonly CatenatePart[]): Promise<BlobRef> {
  const { log } = context.services
  const writer = log.writer()
  try {
    for (const part of parts) {
      await writePart(context, writer, part)
      if (writer.length > context.limits.literalBytesMax) throw new Refused(no('The message is too big', 'TOOBIG'))
    }
    if (writer.length === 0) throw new Refused(no('An empty message cannot be kept'))
    return await writer.finish()
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    // The texts were pieces only.
    for (const part of parts)
      if (part.kind === 'text') part.literal.blob.then((blob) => log.release(blob)).catch(() => {})
  }
}

async function writePart(context: Context, writer: BlobWriter, part: CatenatePart): Promise<void> {
  if (part.kind === 'url') return writeUrl(context, writer, part.url)
  const { bytes, blob } = part.literal
  if (bytes !== undefined) {
    await writer.write(bytes)
    return
  }
  for await (const chunk of context.services.log.stream(await blob)) await writer.write(chunk)
}

async function writeUrl(context: Context, writer: BlobWriter, text: string): Promise<void> {
  const found = await sectionNamed(context, text)
  const { source } = found
  if (source instanceof Uint8Array) {
    await writer.write(source)
    return
  }
  if (writer.length + source.end - source.start > context.limits.literalBytesMax) {
    throw new Refused(no('The message is too big', 'TOOBIG'))
  }
  for await (const chunk of found.mailboxes.stream(found.record, source.start, source.end)) {
    await writer.write(chunk)
    const pause = context.out.breathe()
    if (pause) await pause
  }
}

interface FoundSection {
  mailboxes: AccountMailboxes
  record: MessageRecord
  source: Uint8Array | { start: number; end: number }
}

/** What the URL names. @throws Refused with BADURL (RFC 4469 §4.1) */
async function sectionNamed(context: Context, text: string): Promise<FoundSection> {
  const badUrl = new Refused(no('There is no such part', `BADURL "${shownUrl(text)}"`))
  const url = parseImapUrl(text)
  const section = url && sectionOf(url, context.limits.nestingDepthMax)
  if (url === undefined || section === undefined) throw badUrl
  const place = await mailboxNamed(context, url)
  if (place === undefined) throw badUrl
  const { mailboxes, id } = place
  const record = findRecord(await mailboxes.messages(id), url.uid, 0)
  if (record === undefined) throw badUrl
  const index =
    section.part.length === 0 ? undefined : ((await mailboxes.infos([record]))[0]?.index as MessageIndex | undefined)
  const partial = url.partial && { start: url.partial.start, count: url.partial.count ?? Number.MAX_SAFE_INTEGER }
  const source = await readSection(mailboxes, record, index, { section, partial })
  if (source === undefined) throw badUrl
  return { mailboxes, record, source }
}

function sectionOf({ section = '' }: ImapUrl, nestingDepthMax: number): Section | undefined {
  try {
    const cursor = new Cursor([`[${section}]`], { nestingDepthMax, utf8: true })
    const found = parseSection(cursor).section
    cursor.end()
    return found
  } catch (error) {
    if (error instanceof SyntaxFault) return undefined
    throw error
  }
}

async function mailboxNamed(
  context: Context,
  { mailbox, uidValidity }: ImapUrl,
): Promise<{ mailboxes: AccountMailboxes; id: string } | undefined> {
  const { state } = context
  if (mailbox === undefined) {
    return state.kind === 'selected' ? { mailboxes: state.mailboxes, id: state.view.mailbox } : undefined
  }
  const access = (await resolveMailbox(context, mailbox)) ?? (await oldName(context, mailbox))
  if (access === undefined || !access.rights.includes('r')) return undefined
  if (uidValidity !== undefined && uidValidity !== access.record.uidValidity) return undefined
  return { mailboxes: access.mailboxes, id: access.record.id }
}

/** RFC 2192 had the name in modified UTF-7. */
async function oldName(context: Context, mailbox: string) {
  try {
    return await resolveMailbox(context, decodeMailboxName(mailbox))
  } catch (error) {
    if (error instanceof SyntaxFault) return undefined
    throw error
  }
}
