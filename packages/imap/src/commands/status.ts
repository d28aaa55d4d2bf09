// STATUS (RFC 9051 §6.3.11) with SIZE, DELETED, HIGHESTMODSEQ (RFC 7162), MAILBOXID (RFC 8474), APPENDLIMIT (RFC 7889).
import type { AccountMailboxes, MailboxRecord } from '@skein/mailboxes'
import { no, ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatMailbox } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { QUOTA_UNIT_BYTES } from './quota.ts'
import { command, loggedIn, parseMailbox } from './command.ts'
import type { Context } from './command.ts'

type Counted = (record: Readonly<MailboxRecord>, context: Context, mailboxes: AccountMailboxes) => string | number

const items: Readonly<Record<string, Counted>> = {
  MESSAGES: (record) => record.messages,
  RECENT: () => 0,
  UIDNEXT: (record) => record.uidNext,
  UIDVALIDITY: (record) => record.uidValidity,
  UNSEEN: (record) => record.unseen,
  SIZE: (record) => record.bytes,
  HIGHESTMODSEQ: (record) => record.highestModseq,
  MAILBOXID: (record) => `(${record.id})`,
  APPENDLIMIT: (_record, context) => context.limits.literalBytesMax,
}

export type StatusItem = string

/** `(MESSAGES UNSEEN …)` */
export function parseStatusItems(cursor: Cursor): StatusItem[] {
  return cursor.list(() => {
    const name = cursor.keyword()
    return name === 'DELETED' || name === 'DELETED-STORAGE' || Object.hasOwn(items, name)
      ? name
      : fault('there is no such status item')
  })
}

export async function statusAnswer(
  context: Context,
  access: MailboxAccess,
  wanted: readonly StatusItem[],
): Promise<string> {
  const { mailboxes, record } = access
  // RFC 7162 §3.1.8: asking for it is a CONDSTORE enabling command.
  if (wanted.includes('HIGHESTMODSEQ')) context.enabled.condstore = true
  const values: string[] = []
  for (const name of wanted) {
    if (name === 'DELETED' || name === 'DELETED-STORAGE') {
      const live = await mailboxes.messages(record.id)
      const deleted = live.filter((message) => message.flags.includes('\\Deleted'))
      // RFC 9208 §4.1.4: in the units of STORAGE.
      const bytes = deleted.reduce((sum, message) => sum + message.size, 0)
      values.push(`${name} ${name === 'DELETED' ? deleted.length : Math.ceil(bytes / QUOTA_UNIT_BYTES)}`)
    } else {
      values.push(`${name} ${items[name]?.(record, context, mailboxes)}`)
    }
  }
  return `* STATUS ${formatMailbox(shownName(access), context.enabled.utf8)} (${values.join(' ')})\r\n`
}

export const status = command({
  name: 'STATUS',
  states: loggedIn,
  parse(cursor) {
    const mailbox = parseMailbox(cursor)
    cursor.space()
    return { mailbox, wanted: parseStatusItems(cursor) }
  },
  async run(context, { mailbox, wanted }) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    // RFC 4314 §4.
    if (!access.rights.includes('r')) return no('The rights on the mailbox do not allow that', 'NOPERM')
    context.out.text(await statusAnswer(context, access, wanted))
    return ok('That is all')
  },
})
