// Which messages a client that comes back has missed the end of (RFC 7162 §3.2.5.1): from the store's memory of expunges.
import type { Account } from './account.ts'
import { failures } from './failures.ts'
import { findByUid } from './message-list.ts'
import { MODSEQ_EPOCH, type MailboxId } from './ports.ts'

/** Undefined where that memory does not go back so far. */
export async function vanishedSince(
  account: Account,
  mailbox: MailboxId,
  sinceModseq: number,
): Promise<readonly number[] | undefined> {
  const record = account.table.get(mailbox)
  if (!record) throw failures.noSuchMailbox()
  if (record.historyFrom === undefined || sinceModseq < record.historyFrom) return undefined
  if (sinceModseq >= record.highestModseq) return []
  // The journal's numbers go on over epochs.
  const uids = await account.parts.store.expunged(account.state.accountId, mailbox, sinceModseq % MODSEQ_EPOCH)
  const list = await account.messages(mailbox)
  // What is durable but not visible yet has not vanished for anyone.
  return uids.filter((uid) => !findByUid(list, uid))
}
