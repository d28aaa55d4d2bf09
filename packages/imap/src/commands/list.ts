// LIST (RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS (RFC 5819), LIST-MYRIGHTS
// (RFC 8440) and LIST-METADATA (RFC 9590); LSUB.
import { ok } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatMailbox } from '../wire/encode.ts'
import { matchesPattern } from '../wire/list-pattern.ts'
import { fault } from '../wire/syntax-error.ts'
import { OTHER_USERS, listMailboxes, listSubscribedNames, shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { myRightsAnswer } from './acl.ts'
import { command, loggedIn } from './command.ts'
import type { Context } from './command.ts'
import { metadataAnswer, parseEntries } from './metadata.ts'
import { parseStatusItems, statusAnswer } from './status.ts'
import type { StatusItem } from './status.ts'

interface ListArguments {
  reference: string
  patterns: string[]
  select: { subscribed: boolean; specialUse: boolean; recursive: boolean }
  returned: {
    subscribed: boolean
    status: StatusItem[] | undefined
    myRights: boolean
    /** Entries asked for (RFC 9590). */
    metadata: string[] | undefined
  }
}

function parseSelection(cursor: Cursor, select: ListArguments['select']): void {
  cursor.list(() => {
    const name = cursor.keyword()
    if (name === 'SUBSCRIBED') select.subscribed = true
    else if (name === 'SPECIAL-USE') select.specialUse = true
    else if (name === 'RECURSIVEMATCH') select.recursive = true
    // There are no mailboxes elsewhere: REMOTE adds nothing.
    else if (name !== 'REMOTE') fault('there is no such selection option')
  }, true)
  if (select.recursive && !select.subscribed && !select.specialUse) fault('RECURSIVEMATCH needs something to match')
  cursor.space()
}

function parseReturn(cursor: Cursor, returned: ListArguments['returned']): void {
  if (cursor.keyword() !== 'RETURN') fault('RETURN is wanted')
  cursor.space()
  cursor.list(() => {
    const name = cursor.keyword()
    if (name === 'SUBSCRIBED') returned.subscribed = true
    else if (name === 'STATUS') {
      cursor.space()
      returned.status = parseStatusItems(cursor)
    } else if (name === 'MYRIGHTS') returned.myRights = true
    else if (name === 'METADATA') {
      cursor.space()
      returned.metadata = parseEntries(cursor)
    } else if (name !== 'CHILDREN' && name !== 'SPECIAL-USE') fault('there is no such return option')
  }, true)
}

function parseList(cursor: Cursor): ListArguments {
  const result: ListArguments = {
    reference: '',
    patterns: [],
    select: { subscribed: false, specialUse: false, recursive: false },
    returned: { subscribed: false, status: undefined, myRights: false, metadata: undefined },
  }
  cursor.space()
  if (cursor.sees('(')) parseSelection(cursor, result.select)
  result.reference = cursor.mailbox()
  cursor.space()
  if (cursor.sees('(')) result.patterns = cursor.list(() => cursor.listPattern())
  else result.patterns = [cursor.listPattern()]
  if (cursor.take(' ')) parseReturn(cursor, result.returned)
  if (result.select.subscribed) result.returned.subscribed = true
  return result
}

interface Listed {
  name: string
  /** Undefined: only a level above what others share, or no mailbox at all. */
  access: MailboxAccess | undefined
  /** There is no mailbox: a name that is subscribed, or a level above one (RFC 5258 §3). */
  missing: boolean
  /** Fits the selection options itself. */
  fits: boolean
  matched: boolean
  hasChildren: boolean
  /** Some mailbox below fits, and is (not) listed itself. */
  fittingBelow: boolean
  fittingBelowUnlisted: boolean
}

/** @param names subscribed without a mailbox */
function survey(
  mailboxes: readonly MailboxAccess[],
  names: readonly string[],
  args: ListArguments,
): Map<string, Listed> {
  const byName = new Map<string, Listed>()
  const patterns = args.patterns.map((pattern) => args.reference + pattern)
  for (const access of mailboxes) {
    const { record } = access
    const name = shownName(access)
    for (const level of levelsOfOthers(access, name)) {
      if (!byName.has(level)) byName.set(level, levelAbove(level, args, patterns))
    }
    byName.set(name, {
      name,
      access,
      missing: false,
      fits: (!args.select.subscribed || record.subscribed) && (!args.select.specialUse || record.specialUse !== null),
      matched: patterns.some((pattern) => matchesPattern(pattern, name)),
      hasChildren: false,
      fittingBelow: false,
      fittingBelowUnlisted: false,
    })
  }
  for (const name of args.select.subscribed ? names : []) {
    for (const level of [...levelsAbove(name), name]) {
      if (!byName.has(level)) byName.set(level, missingName(level, args, patterns))
    }
    const listed = byName.get(name) as Listed
    listed.fits = !args.select.specialUse
  }
  for (const [name, listed] of byName) {
    for (const level of levelsAbove(name)) {
      const parent = byName.get(level)
      if (parent === undefined) continue
      if (!listed.missing) parent.hasChildren = true
      if (!listed.fits) continue
      parent.fittingBelow = true
      if (!listed.matched) parent.fittingBelowUnlisted = true
    }
  }
  return byName
}

/** The levels above a shared mailbox that are no mailboxes themselves. */
function levelsOfOthers({ ownerName, record }: MailboxAccess, name: string): string[] {
  if (ownerName === undefined) return []
  const owner = name.slice(0, -record.name.length - 1)
  return [OTHER_USERS, owner]
}

function levelAbove(name: string, args: ListArguments, patterns: readonly string[]): Listed {
  return {
    name,
    access: undefined,
    missing: false,
    fits: !args.select.subscribed && !args.select.specialUse,
    matched: patterns.some((pattern) => matchesPattern(pattern, name)),
    hasChildren: true,
    fittingBelow: false,
    fittingBelowUnlisted: false,
  }
}

/** Nearest first. */
function levelsAbove(name: string): string[] {
  const levels: string[] = []
  for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) levels.push(name.slice(0, at))
  return levels
}

function missingName(name: string, args: ListArguments, patterns: readonly string[]): Listed {
  return { ...levelAbove(name, args, patterns), missing: true, fits: false, hasChildren: false }
}

function listAnswer(context: Context, listed: Listed, args: ListArguments): string {
  const attributes: string[] = [listed.hasChildren ? '\\HasChildren' : '\\HasNoChildren']
  const record = listed.access?.record
  if (listed.missing) {
    attributes.unshift('\\NonExistent')
    if (listed.fits) attributes.push('\\Subscribed')
  } else if (record === undefined) attributes.unshift('\\Noselect')
  else {
    if (record.specialUse !== null) attributes.push(record.specialUse)
    if (args.returned.subscribed && record.subscribed) attributes.push('\\Subscribed')
  }
  const name = formatMailbox(listed.name, context.enabled.utf8)
  const below = args.select.recursive && args.select.subscribed && listed.fittingBelow
  return `* LIST (${attributes.join(' ')}) "/" ${name}${below ? ' ("CHILDINFO" ("SUBSCRIBED"))' : ''}\r\n`
}

/** What RETURN asked for of a mailbox (RFC 5819, RFC 8440, RFC 9590), as far as the rights go. */
async function answerReturned(context: Context, access: MailboxAccess, returned: ListArguments['returned']) {
  const { status, myRights, metadata } = returned
  const { rights } = access
  if (status !== undefined && rights.includes('r')) context.out.text(await statusAnswer(context, access, status))
  if (myRights) context.out.text(myRightsAnswer(context, access))
  if (metadata !== undefined && /[rswip]/.test(rights)) {
    context.out.text((await metadataAnswer(context, access, metadata)).text)
  }
}

export const list = command({
  name: 'LIST',
  states: loggedIn,
  parse: parseList,
  async run(context, args) {
    if (args.patterns.length === 1 && args.patterns[0] === '') {
      // RFC 9051 §6.3.9: asks for the separator and the root.
      context.out.text('* LIST (\\Noselect) "/" ""\r\n')
      return ok('That is all')
    }
    const patterns = args.patterns.map((pattern) => args.reference + pattern)
    const mailboxes = await listMailboxes(context, patterns)
    for (const listed of survey(mailboxes, listSubscribedNames(context), args).values()) {
      // RFC 5258 §3.5: what does not fit is shown only for a fitting child that is not listed itself.
      const shown = listed.fits || (args.select.recursive && listed.fittingBelowUnlisted)
      if (!listed.matched || !shown) continue
      context.out.text(listAnswer(context, listed, args))
      if (listed.access !== undefined) await answerReturned(context, listed.access, args.returned)
      const pause = context.out.breathe()
      if (pause) await pause
    }
    return ok('That is all')
  },
})

export const lsub = command({
  name: 'LSUB',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    const reference = cursor.mailbox()
    cursor.space()
    return reference + cursor.listPattern()
  },
  async run(context, pattern) {
    const answers = new Map<string, string>()
    const add = (name: string, attributes: string) => {
      if (matchesPattern(pattern, name)) answers.set(name, attributes)
      // RFC 3501 §6.3.9: with %, a name that is only a parent of a subscribed one.
      else if (pattern.includes('%')) {
        for (const parent of levelsAbove(name)) {
          if (matchesPattern(pattern, parent) && !answers.has(parent)) answers.set(parent, '(\\Noselect)')
        }
      }
    }
    for (const access of await listMailboxes(context, [pattern])) {
      if (access.record.subscribed) add(shownName(access), '()')
    }
    for (const name of listSubscribedNames(context)) add(name, '(\\Noselect)')
    for (const [name, attributes] of answers) {
      context.out.text(`* LSUB ${attributes} "/" ${formatMailbox(name, context.enabled.utf8)}\r\n`)
    }
    return ok('That is all')
  },
})
