// Checks what others than the owner have of an account's mailboxes: counts and marks of readers, the index of shares;
// and what is left of mailboxes that are gone. All of it can be made again: the marks from themselves, the index from the
// lists of rights.
import { granteesOf, type MailboxRecord, type MessageRecord } from '@skein/mailboxes'
import type { DatabaseOp } from './database.ts'
import { afterPrefix } from './database.ts'
import type { DatabaseReader } from './database-reader.ts'
import { applySeenChange, decodeReader, decodeSeenChange, encodeReader, encodeText } from './mailbox-records.ts'
import { mailboxKeys } from './mailbox-store.ts'

export interface SharingProblem {
  code: 'reader-counts-wrong' | 'share-index-wrong' | 'stray-records'
  text: string
  /** Make it right. */
  ops: DatabaseOp[]
}

interface Ground {
  reader: DatabaseReader
  account: string
  mailboxes: ReadonlyMap<string, MailboxRecord>
}

export async function* sharingProblems(
  ground: Ground,
  messagesOf: (mailbox: string) => Promise<readonly MessageRecord[]>,
): AsyncIterable<SharingProblem> {
  yield* readerProblems(ground, messagesOf)
  yield* indexProblems(ground)
  yield* strayProblems(ground)
}

/** Records of mailboxes that are gone, and would only take room. */
async function* strayProblems({ reader, account }: Ground): AsyncIterable<SharingProblem> {
  const kinds = [
    ['marks of readers', mailboxKeys.allSeen(account)],
    ['expunged UIDs', mailboxKeys.allExpunged(account)],
    ['annotations', mailboxKeys.allAnnotations(account)],
  ] as const
  for (const [what, prefix] of kinds) {
    let gte: string = prefix
    for (;;) {
      let found: string | undefined
      for await (const key of reader.keysOf({ gte, lt: afterPrefix(prefix), limit: 1 })) found = key
      const id = found?.slice(prefix.length).split('!')[0]
      if (id === undefined) break
      const range = `${prefix}${id}!`
      gte = afterPrefix(range)
      // Annotations of the account itself have no mailbox. One whose record is damaged is not gone.
      if (id === '' || (await reader.get(mailboxKeys.mailbox(account, id))) !== undefined) continue
      const text = `there are ${what} of a mailbox ${id} that does not exist`
      yield { code: 'stray-records', text, ops: [{ type: 'del-range', gte: range, lt: gte }] }
    }
  }
}

async function* readerProblems(
  { reader, account, mailboxes }: Ground,
  messagesOf: (mailbox: string) => Promise<readonly MessageRecord[]>,
): AsyncIterable<SharingProblem> {
  const prefix = mailboxKeys.readers(account)
  for await (const [key, value] of reader.prefix(prefix)) {
    const [mailbox = '', user = ''] = key.slice(prefix.length).split('!')
    const name = mailboxes.get(mailbox)?.name
    if (name === undefined) {
      const text = `a reader of a mailbox ${mailbox} that does not exist`
      yield { code: 'reader-counts-wrong', text, ops: [{ type: 'del', key }] }
      continue
    }
    const record = decodeReader(value)
    const marks: Parameters<typeof applySeenChange>[0] = new Map()
    const range = mailboxKeys.seen(account, mailbox, user)
    for await (const [, change] of reader.prefix(range)) applySeenChange(marks, decodeSeenChange(change))
    const there = new Set((await messagesOf(mailbox)).map(({ uid }) => uid))
    let seen = 0
    for (const mark of marks.values()) if (mark.seen && there.has(mark.uid)) seen += 1
    if (seen === record.seen) continue
    const text = `${name}: counted are ${record.seen} messages seen by a reader, right is ${seen}`
    yield {
      code: 'reader-counts-wrong',
      text,
      ops: [{ type: 'put', key, value: encodeReader({ ...record, seen }) }],
    }
  }
}

async function* indexProblems({ reader, account, mailboxes }: Ground): AsyncIterable<SharingProblem> {
  const wanted = new Set<string>()
  for (const { id, acl } of mailboxes.values()) {
    for (const grantee of granteesOf(acl)) wanted.add(mailboxKeys.share(grantee, account, id))
  }
  const prefix = mailboxKeys.allShares
  for await (const key of reader.keysOf({ gte: prefix, lt: afterPrefix(prefix) })) {
    if (key.slice(prefix.length).split('!')[1] !== account || wanted.delete(key)) continue
    const text = 'the index of shares names a mailbox that is not shared'
    yield { code: 'share-index-wrong', text, ops: [{ type: 'del', key }] }
  }
  for (const key of wanted) {
    const text = 'a shared mailbox is missing in the index of shares'
    yield { code: 'share-index-wrong', text, ops: [{ type: 'put', key, value: encodeText('') }] }
  }
}
