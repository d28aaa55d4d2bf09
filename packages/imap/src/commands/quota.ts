// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root for each account, limited in bytes, messages and mailboxes.
// One's own root is called "", that of somebody else by the address.
import { canonicalAddress } from '@skein/mail'
import type { AccountMailboxes, QuotaLimits } from '@skein/mailboxes'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import { formatMailbox, formatString, utf8Bytes } from '../wire/encode.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'
import type { Context } from './command.ts'

/** STORAGE is counted in units of 1024 octets (RFC 9208 §5.1). */
export const QUOTA_UNIT_BYTES = 1024

function quotaAnswer(context: Context, root: string, mailboxes: AccountMailboxes): string {
  const { usedBytes, quotaBytes, usedMessages, quotaMessages = 0, quotaMailboxes = 0 } = mailboxes.state()
  const shown: string[] = []
  const show = (name: string, used: number, limit: number) => {
    if (limit > 0) shown.push(`${name} ${used} ${limit}`)
  }
  show('STORAGE', Math.ceil(usedBytes / QUOTA_UNIT_BYTES), Math.floor(quotaBytes / QUOTA_UNIT_BYTES))
  const records = mailboxes.list()
  show('MESSAGE', usedMessages ?? records.reduce((sum, record) => sum + record.messages, 0), quotaMessages)
  show('MAILBOX', records.length, quotaMailboxes)
  return `* QUOTA ${formatRoot(context, root)} (${shown.join(' ')})\r\n`
}

function formatRoot(context: Context, root: string): string {
  return formatString(utf8Bytes(root), context.enabled.utf8)
}

/**
 * The account of a root: one's own, and any that lives here for an administrator.
 * @returns undefined where there is none that the client may know of; whoever gets it lets go of it
 */
async function openRoot(context: Context, root: string): Promise<AccountMailboxes | undefined> {
  const { mailboxes, directory } = context.services
  const own = accountOf(context)
  const address = root === '' ? own.address : canonicalAddress(root)
  if (address === own.address) return mailboxes.open(own.mailboxes.accountId)
  const entry = own.role === 'admin' && address !== undefined ? directory?.lookup(address) : undefined
  return entry !== undefined && entry.home === directory?.self ? mailboxes.open(entry.accountId) : undefined
}

const noRoot = no('There is no such quota root', 'NONEXISTENT')

export const getquota = command({
  name: 'GETQUOTA',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    return cursor.utf8Text()
  },
  async run(context, root) {
    await using mailboxes = await openRoot(context, root)
    if (mailboxes === undefined) return noRoot
    context.out.text(quotaAnswer(context, root, mailboxes))
    return ok('That is all')
  },
})

export const getquotaroot = command({
  name: 'GETQUOTAROOT',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    const root = access.ownerName ?? ''
    const name = formatMailbox(shownName(access), context.enabled.utf8)
    // How full somebody else's account is, is theirs to know.
    const answer = access.ownerName === undefined ? quotaAnswer(context, root, access.mailboxes) : ''
    context.out.text(`* QUOTAROOT ${name} ${formatRoot(context, root)}\r\n${answer}`)
    return ok('That is all')
  },
})

const resources: Readonly<Record<string, keyof QuotaLimits>> = {
  STORAGE: 'bytes',
  MESSAGE: 'messages',
  MAILBOX: 'mailboxes',
}

export const setquota = command({
  name: 'SETQUOTA',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    const root = cursor.utf8Text()
    cursor.space()
    const wanted = cursor.list(() => {
      const name = cursor.keyword()
      cursor.space()
      return { name, limit: cursor.number() }
    }, true)
    return { root, wanted }
  },
  async run(context, { root, wanted }) {
    if (accountOf(context).role !== 'admin') return no('Quotas are set by an administrator', 'NOPERM')
    await using mailboxes = await openRoot(context, root)
    if (mailboxes === undefined) return noRoot
    // RFC 9208 §4.1.3: resources that are not named have no limit any more.
    const limits: QuotaLimits = { bytes: 0, messages: 0, mailboxes: 0 }
    for (const { name, limit } of wanted) {
      const resource = resources[name]
      if (resource === undefined) return no(`There is no resource ${name}`, 'CANNOT')
      // A limit of 0 would mean none.
      const units = resource === 'bytes' ? limit * QUOTA_UNIT_BYTES : limit
      limits[resource] = Math.max(1, units)
    }
    await mailboxes.setQuota(limits)
    context.out.text(quotaAnswer(context, root, mailboxes))
    return ok('The quota is set')
  },
})
