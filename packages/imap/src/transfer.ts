// Copies messages into another account: the bytes are written anew, since each account's upkeep lets go of its own.
// Promises: all or none at the destination, durable when it resolves; what was written in vain is let go.
import type { MessageIndex } from '@skein/mail'
import type {
  AccountMailboxes,
  Appended,
  BlobRef,
  CopyResult,
  MailboxId,
  MessageRecord,
  NewMessage,
} from '@skein/mailboxes'
import { SkeinError, assert } from '@skein/runtime'
import type { Context } from './commands/command.ts'
import type { MailboxAccess } from './mailbox-access.ts'
import { findRecord } from './view.ts'

/** Written at once, so that they share their fsyncs. */
const WRITTEN_AT_ONCE = 16

export interface TransferSource {
  mailboxes: AccountMailboxes
  mailbox: MailboxId
}

/** @throws SkeinError what `append` throws, `not-permitted` */
export async function transfer(
  context: Context,
  source: TransferSource,
  uids: readonly number[],
  target: MailboxAccess,
): Promise<CopyResult> {
  if (!target.rights.includes('i')) throw notPermitted()
  const live = await source.mailboxes.messages(source.mailbox)
  const records = uids.flatMap((uid) => findRecord(live, uid, -1) ?? [])
  const blobs: BlobRef[] = []
  try {
    for (let at = 0; at < records.length; at += WRITTEN_AT_ONCE) {
      const group = records.slice(at, at + WRITTEN_AT_ONCE)
      const written = await Promise.allSettled(group.map((record) => writeAgain(context, source.mailboxes, record)))
      for (const result of written) if (result.status === 'fulfilled') blobs.push(result.value)
      for (const result of written) if (result.status === 'rejected') throw result.reason
    }
    const infos = await source.mailboxes.infos(records)
    const messages = records.map((record, at) => newMessage(record, blobs[at] as BlobRef, infos[at]?.index))
    const appended = await target.mailboxes.append(target.record.id, messages, { origin: context.origin })
    const pairs = appended.map((one, at) => ({
      from: (records[at] as MessageRecord).uid,
      to: one === 'duplicate' ? 0 : one.uid,
    }))
    return { uidValidity: target.record.uidValidity, pairs }
  } catch (error) {
    // Refused means not done; after anything else they may be in, so their bytes stay.
    if (error instanceof SkeinError && error.kind === 'refused')
      for (const blob of blobs) context.services.log.release(blob)
    throw error
  }
}

/**
 * RFC 6851 across two accounts: durable at the destination first, then expunged at the source. A crash in between leaves
 * the messages in both, never in neither.
 */
export async function transferAway(
  context: Context,
  source: TransferSource,
  uids: readonly number[],
  target: MailboxAccess,
): Promise<CopyResult> {
  const rights = source.mailboxes.rights(source.mailbox)
  if (!rights.includes('t') || !rights.includes('e')) throw notPermitted()
  const copied = await transfer(context, source, uids, target)
  await source.mailboxes.expunge(
    source.mailbox,
    copied.pairs.map(({ from }) => from),
    { origin: context.origin },
  )
  return copied
}

/** RFC 8508 across two accounts: the new message durable at the destination first, then the old one expunged. */
export async function replaceAway(
  context: Context,
  source: TransferSource,
  uid: number,
  message: NewMessage,
  target: MailboxAccess,
): Promise<Appended> {
  const rights = source.mailboxes.rights(source.mailbox)
  if (!rights.includes('t') || !rights.includes('e')) throw notPermitted()
  const [appended] = await target.mailboxes.append(target.record.id, [message], { origin: context.origin })
  assert(appended !== undefined && appended !== 'duplicate', 'a message without a delivery id is never a duplicate')
  await source.mailboxes.expunge(source.mailbox, [uid], { origin: context.origin })
  return appended
}

function notPermitted(): SkeinError {
  return new SkeinError('not-permitted', 'refused', 'the rights on the mailbox do not allow that')
}

async function writeAgain(context: Context, mailboxes: AccountMailboxes, record: MessageRecord): Promise<BlobRef> {
  const writer = context.services.log.writer()
  try {
    for await (const chunk of mailboxes.stream(record)) await writer.write(chunk)
    return await writer.finish()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function newMessage(record: MessageRecord, blob: BlobRef, index: unknown): NewMessage {
  const { flags, internalDateMs, emailId } = record
  const known = index === undefined ? {} : { index: index as MessageIndex }
  return { blob, flags, internalDateMs, emailId, ...known }
}
