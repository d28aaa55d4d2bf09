// What a user submitted, filed once under Sent, for who asks for it (`user set --save-sent`). Most mail programs file a copy
// themselves right after they have sent: ours waits for a minute in the queue and is left out where that one is there.
import type { Directory } from '@skein/accounts'
import { messageIdText, type MessageIndex } from '@skein/mail'
import type { AccountMailboxes, MailboxRecord } from '@skein/mailboxes'
import { newRecipient } from './bounce.ts'
import type { DeliveryLimits } from './limits.ts'
import type { IntakeSource, QueueRecipient } from './ports.ts'

/** Undefined: none is wanted. */
export function sentCopy(
  directory: Directory,
  source: Pick<IntakeSource, 'kind' | 'account'>,
  index: number,
  nowMs: number,
  limits: Pick<DeliveryLimits, 'sentCopyWaitMs'>,
): QueueRecipient | undefined {
  const entry = source.kind === 'submission' && source.account ? directory.byAccountId(source.account.id) : undefined
  if (!entry?.savesSent) return undefined
  const { address, accountId } = entry
  // Nobody is told of it, whatever becomes of it: the letter itself is on its way.
  const recipient = newRecipient(index, address, address, nowMs + limits.sentCopyWaitMs, undefined, { notify: [] })
  return { ...recipient, accountId, into: 'sent' }
}

export async function sentMailbox(account: AccountMailboxes): Promise<Readonly<MailboxRecord>> {
  const known = account.list().find(({ specialUse }) => specialUse === '\\Sent') ?? account.byName('Sent')
  return known ?? account.create('Sent', { specialUse: '\\Sent' })
}

/** One with that Message-ID is among the newest there. */
export async function isFiled(
  account: AccountMailboxes,
  mailbox: Readonly<MailboxRecord>,
  messageId: string,
  lookBack: number,
): Promise<boolean> {
  if (messageId === '') return false
  const newest = (await account.messages(mailbox.id)).slice(-lookBack)
  const infos = await account.infos(newest)
  return infos.some((info) => {
    const { envelope } = (info?.index ?? {}) as Partial<MessageIndex>
    return messageIdText(envelope?.messageId ?? '') === messageId
  })
}
