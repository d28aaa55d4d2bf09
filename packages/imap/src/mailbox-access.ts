// The one place where a mailbox name that a client gives becomes a mailbox: its own, or one that somebody shares.
// Promises: a mailbox that the client may not know of (RFC 4314 §4: no `l` right) is as if it did not exist, and so is
// whoever shares nothing with the client.
import { canonicalAddress } from '@skein/mail'
import type { AccountMailboxes, MailboxRecord } from '@skein/mailboxes'
import { isErrorCode } from '@skein/runtime'
import { accountOf } from './commands/command.ts'
import type { Context } from './commands/command.ts'

/** RFC 2342: the namespace of other users; the next level is the owner's address. */
export const OTHER_USERS = 'Other Users'
const PREFIX = `${OTHER_USERS}/`
/** A slash in an address would be a level of its own. */
const SLASH_SHOWN = '\u2215'

/** A name in its owner's account. There may be no mailbox of that name. */
export interface NamePlace {
  mailboxes: AccountMailboxes
  /** As the owner has it. */
  name: string
  /** Address of the owner, where it is somebody else. */
  ownerName: string | undefined
}

export interface MailboxAccess extends NamePlace {
  record: Readonly<MailboxRecord>
  /** RFC 4314 §2.1, without the obsolete ones: `lrswipkxtea` for one's own. */
  rights: string
}

/** Undefined where the name leads nowhere that the client may know of. */
export async function resolveName(context: Context, name: string): Promise<NamePlace | undefined> {
  if (!isOthers(name)) return { mailboxes: accountOf(context).mailboxes, name, ownerName: undefined }
  const [level = '', ...inner] = name.slice(PREFIX.length).split('/')
  const owner = canonicalAddress(level.replaceAll(SLASH_SHOWN, '/'))
  if (owner === undefined || inner.length === 0) return undefined
  const accountId = context.services.directory?.lookup(owner)?.accountId
  const mailboxes = accountId === undefined ? undefined : await openSharer(context, accountId)
  return mailboxes && { mailboxes, name: inner.join('/'), ownerName: owner }
}

function isOthers(name: string): boolean {
  return name === OTHER_USERS || name.startsWith(PREFIX)
}

/** Undefined where that account shares nothing with whoever is logged in. */
async function openSharer(context: Context, owner: string): Promise<AccountMailboxes | undefined> {
  const { mailboxes } = context.services
  const { accountId } = accountOf(context).mailboxes
  return (await mailboxes.sharersWith(accountId)).includes(owner) ? openShared(context, owner) : undefined
}

/** Stays open as long as the session. */
async function openShared(context: Context, owner: string): Promise<AccountMailboxes | undefined> {
  const account = accountOf(context)
  account.others ??= new Map()
  const known = account.others.get(owner)
  if (known !== undefined) return known
  try {
    const opened = await context.services.mailboxes.openShared(owner, account.mailboxes.accountId)
    account.others.set(owner, opened)
    return opened
  } catch (error) {
    if (isErrorCode(error, 'no-such-account')) return undefined
    throw error
  }
}

/** Undefined where there is no such mailbox, or none that the client may know of. */
export async function resolveMailbox(context: Context, name: string): Promise<MailboxAccess | undefined> {
  const place = await resolveName(context, name)
  return place && accessAt(place)
}

/** What is known of a name without waiting; 'later': somebody else's, to be asked for with `resolveMailbox`. */
export function peekMailbox(context: Context, name: string): MailboxAccess | 'later' | undefined {
  if (isOthers(name)) return 'later'
  return accessAt({ mailboxes: accountOf(context).mailboxes, name, ownerName: undefined })
}

function accessAt(place: NamePlace): MailboxAccess | undefined {
  const record = place.mailboxes.byName(place.name)
  return record && { ...place, name: record.name, record, rights: place.mailboxes.rights(record.id) }
}

/** The mailbox's name as this client sees it. */
export function shownName(access: { record: Pick<MailboxRecord, 'name'>; ownerName: string | undefined }): string {
  const { record, ownerName } = access
  return ownerName === undefined ? record.name : `${PREFIX}${ownerName.replaceAll('/', SLASH_SHOWN)}/${record.name}`
}

/**
 * All of the client's own mailboxes, INBOX first, then by name.
 * @param patterns where one of them can name a mailbox of somebody else, those that are shared follow
 */
export async function listMailboxes(context: Context, patterns: readonly string[] = []): Promise<MailboxAccess[]> {
  const { mailboxes } = accountOf(context)
  const own = mailboxes.list().flatMap((record) => {
    const access = accessAt({ mailboxes, name: record.name, ownerName: undefined })
    return isOthers(record.name) ? [] : (access ?? [])
  })
  if (context.services.directory === undefined || !patterns.some(mayNameOthers)) return own
  return [...own, ...(await listShared(context))]
}

/** Names of one's own that are subscribed without a mailbox, in order. */
export function listSubscribedNames(context: Context): string[] {
  const { subscribedNames = [] } = accountOf(context).mailboxes.state()
  return subscribedNames.filter((name) => !isOthers(name))
}

function mayNameOthers(pattern: string): boolean {
  const fixed = pattern.split(/[*%]/)[0] as string
  return (
    fixed.startsWith(PREFIX) || (fixed.length < pattern.length && PREFIX.startsWith(fixed)) || pattern === OTHER_USERS
  )
}

async function listShared(context: Context): Promise<MailboxAccess[]> {
  const { mailboxes, directory } = context.services
  const owners = await mailboxes.sharersWith(accountOf(context).mailboxes.accountId)
  const found: MailboxAccess[] = []
  for (const owner of owners.slice(0, context.limits.sharersListedMax)) {
    const ownerName = directory?.byAccountId(owner)?.address
    const shared = ownerName === undefined ? undefined : await openShared(context, owner)
    for (const { name } of shared?.list() ?? []) {
      const access = accessAt({ mailboxes: shared as AccountMailboxes, name, ownerName })
      if (access !== undefined) found.push(access)
    }
    const pause = context.out.breathe()
    if (pause) await pause
  }
  return found.sort((a, b) => (shownName(a) < shownName(b) ? -1 : 1))
}
