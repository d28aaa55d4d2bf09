// SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314): who may do what with a mailbox.
// The obsolete rights c and d stand for k, and for x, t and e (RFC 4314 §2.1.1).
import { canonicalAddress } from '@skein/mail'
import { allRights, anyone } from '@skein/mailboxes'
import type { AclChange, Rights } from '@skein/mailboxes'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import { formatMailbox, formatString, utf8Bytes } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'
import type { Context } from './command.ts'

const missing = no('There is no such mailbox', 'NONEXISTENT')
const notPermitted = no('The rights on the mailbox do not allow that', 'NOPERM')

/** With the obsolete rights, for old clients. */
export function shownRights(rights: Rights): string {
  return `${rights}${rights.includes('k') ? 'c' : ''}${/[xte]/.test(rights) ? 'd' : ''}`
}

/** @throws SyntaxFault for what is no right (RFC 4314 §3.1). */
function parseRights(text: string): Rights {
  const rights = text.replaceAll('c', 'k').replaceAll('d', 'xte')
  for (const right of rights.split('')) if (!allRights.includes(right)) fault('there is no such right')
  return rights
}

interface Who {
  /** An account or `anyone`. */
  who: string
  negative: boolean
}

/** @returns a Reply that says why nothing can be shared with them */
function identify(context: Context, identifier: string): Who | Reply {
  const negative = identifier.startsWith('-')
  const name = negative ? identifier.slice(1) : identifier
  if (name.toLowerCase() === anyone) return { who: anyone, negative }
  // As GETACL shows an account that is no more.
  if (/^[0-9a-f]{32}$/.test(name)) return { who: name, negative }
  const { directory } = context.services
  const address = canonicalAddress(name)
  const entry = address === undefined ? undefined : directory?.lookup(address)
  if (entry === undefined) return no('There is no such user', 'CANNOT')
  if (entry.home !== directory?.self) {
    return no('That user lives on another node: mailboxes are shared among the users of one node', 'CANNOT')
  }
  return { who: entry.accountId, negative }
}

function shownWho(context: Context, who: string): string {
  return who === anyone ? anyone : (context.services.directory?.byAccountId(who)?.address ?? who)
}

function ownerOf(context: Context, { ownerName }: MailboxAccess): string {
  return ownerName ?? accountOf(context).address
}

async function change(context: Context, mailbox: string, identifier: string, rights: Rights, mode: AclChange) {
  const access = await resolveMailbox(context, mailbox)
  if (access === undefined) return missing
  if (!access.rights.includes('a')) return notPermitted
  const found = identify(context, identifier)
  if ('status' in found) return found
  const { who, negative } = found
  if (who === access.mailboxes.accountId && (negative || mode !== 'add')) {
    return no('The owner always has all rights', 'CANNOT')
  }
  await access.mailboxes.setAcl(access.record.id, { who, rights, negative }, mode, { origin: context.origin })
  return ok('The rights are set')
}

export const setacl = command({
  name: 'SETACL',
  states: loggedIn,
  parse(cursor) {
    const mailbox = parseMailbox(cursor)
    cursor.space()
    const identifier = cursor.utf8Text()
    cursor.space()
    const text = cursor.astring()
    const mode: AclChange = text.startsWith('+') ? 'add' : text.startsWith('-') ? 'remove' : 'replace'
    return { mailbox, identifier, mode, rights: parseRights(mode === 'replace' ? text : text.slice(1)) }
  },
  run: (context, { mailbox, identifier, rights, mode }) => change(context, mailbox, identifier, rights, mode),
})

export const deleteacl = command({
  name: 'DELETEACL',
  states: loggedIn,
  parse(cursor) {
    const mailbox = parseMailbox(cursor)
    cursor.space()
    return { mailbox, identifier: cursor.utf8Text() }
  },
  run: (context, { mailbox, identifier }) => change(context, mailbox, identifier, '', 'replace'),
})

export const getacl = command({
  name: 'GETACL',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return missing
    if (!access.rights.includes('a')) return notPermitted
    const { utf8 } = context.enabled
    let answer = `* ACL ${formatMailbox(shownName(access), utf8)}`
    const show = (who: string, rights: Rights) => {
      answer += ` ${formatString(utf8Bytes(who), utf8)} ${formatString(shownRights(rights))}`
    }
    show(ownerOf(context, access), allRights)
    for (const { who, negative, rights } of access.record.acl ?? []) {
      show(`${negative === true ? '-' : ''}${shownWho(context, who)}`, rights)
    }
    context.out.text(`${answer}\r\n`)
    return ok('That is all')
  },
})

export const listrights = command({
  name: 'LISTRIGHTS',
  states: loggedIn,
  parse(cursor) {
    const mailbox = parseMailbox(cursor)
    cursor.space()
    return { mailbox, identifier: cursor.utf8Text() }
  },
  async run(context, { mailbox, identifier }) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return missing
    if (!access.rights.includes('a')) return notPermitted
    const found = identify(context, identifier)
    if ('status' in found) return found
    // RFC 4314 §3.4: what is always granted, then what may be, one by one; c and d go with what they stand for.
    const isOwner = found.who === access.mailboxes.accountId && !found.negative
    const rights = isOwner ? shownRights(allRights) : `"" ${allRights.split('').join(' ')} c d`
    const { utf8 } = context.enabled
    const who = formatString(utf8Bytes(identifier), utf8)
    context.out.text(`* LISTRIGHTS ${formatMailbox(shownName(access), utf8)} ${who} ${rights}\r\n`)
    return ok('That is all')
  },
})

/** RFC 4314 §3.5, RFC 8440. */
export function myRightsAnswer(context: Context, access: MailboxAccess): string {
  return `* MYRIGHTS ${formatMailbox(shownName(access), context.enabled.utf8)} ${formatString(shownRights(access.rights))}\r\n`
}

export const myrights = command({
  name: 'MYRIGHTS',
  states: loggedIn,
  parse: parseMailbox,
  async run(context, mailbox) {
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return missing
    context.out.text(myRightsAnswer(context, access))
    return ok('That is all')
  },
})
