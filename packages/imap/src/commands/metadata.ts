// GETMETADATA and SETMETADATA (RFC 5464): annotations of mailboxes and of the server, one's own and shared ones.
import type { Annotation, AnnotationChange } from '@skein/mailboxes'
import { mailboxLimits } from '@skein/mailboxes'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import type { MailboxAccess } from '../mailbox-access.ts'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import type { Cursor } from '../wire/cursor.ts'
import { formatMailbox, formatNstring } from '../wire/encode.ts'
import { fault } from '../wire/syntax-error.ts'
import { accountOf, command, loggedIn } from './command.ts'
import type { Context } from './command.ts'

interface GetArguments {
  mailbox: string
  entries: string[]
  maxSize: number
  depth: number
}

/** `/private/comment`, in lower case: names are case-insensitive (RFC 5464 §3.2). */
function parseEntry(cursor: Cursor): string {
  const entry = cursor.astring().toLowerCase()
  if (!/^\/(private|shared)(\/[!-$&-),-.0-~]+)+$/.test(entry)) fault('an entry begins with /private/ or /shared/')
  return entry
}

/** `/shared/x` or `(/shared/x /private/y)` */
export function parseEntries(cursor: Cursor): string[] {
  return cursor.sees('(') ? cursor.list(() => parseEntry(cursor)) : [parseEntry(cursor)]
}

function parseOptions(cursor: Cursor, result: GetArguments): void {
  cursor.list(() => {
    const name = cursor.keyword()
    cursor.space()
    if (name === 'MAXSIZE') result.maxSize = cursor.number()
    else if (name === 'DEPTH') {
      const depth = cursor.keyword()
      if (!['0', '1', 'INFINITY'].includes(depth)) fault('the depth is 0, 1 or infinity')
      result.depth = depth === 'INFINITY' ? Infinity : Number(depth)
    } else fault('there is no such option')
  })
  cursor.space()
}

function parseGet(cursor: Cursor): GetArguments {
  const result: GetArguments = { mailbox: '', entries: [], maxSize: Infinity, depth: 0 }
  cursor.space()
  // By RFC 5464 §5 before the mailbox; its examples have them behind.
  if (cursor.sees('(')) parseOptions(cursor, result)
  result.mailbox = cursor.mailbox()
  cursor.space()
  if (cursor.seesText('(MAXSIZE') || cursor.seesText('(DEPTH')) parseOptions(cursor, result)
  result.entries = parseEntries(cursor)
  return result
}

/** With `/private` or `/shared` before the name. */
async function annotationsOf(context: Context, access: MailboxAccess | undefined): Promise<Map<string, string>> {
  const source = access?.mailboxes ?? accountOf(context).mailboxes
  const found = new Map<string, string>()
  const own: Annotation[] = await source.annotations(access?.record.id ?? null)
  for (const { shared, name, value } of own) {
    if (access !== undefined || !shared) found.set(`/${shared ? 'shared' : 'private'}${name}`, value)
  }
  if (access === undefined) {
    const { address } = accountOf(context)
    // RFC 5464 §3.2.1.1: a URI; every domain has this address (RFC 5321 §4.5.1).
    found.set('/shared/admin', `mailto:postmaster${address.slice(address.lastIndexOf('@'))}`)
    for (const [name, value] of await context.services.mailboxes.serverAnnotations()) found.set(`/shared${name}`, value)
  }
  return found
}

/** Those asked for that there are, and what lies below them. */
function* chosen(all: ReadonlyMap<string, string>, entries: readonly string[], depth: number) {
  const seen = new Set<string>()
  for (const entry of entries) {
    // As in RFC 5464 §4.2.2: with a depth, only what there is.
    const value = all.get(entry) ?? null
    if (!seen.has(entry) && (depth === 0 || value !== null)) yield [entry, value] as const
    seen.add(entry)
    if (depth === 0) continue
    for (const [name, below] of all) {
      if (!name.startsWith(`${entry}/`) || seen.has(name)) continue
      if (name.slice(entry.length + 1).split('/').length > depth) continue
      seen.add(name)
      yield [name, below] as const
    }
  }
}

/** Values may hold any bytes: those with NUL go as literal8. */
function formatValue(value: string | null): string {
  return value?.includes('\0') === true ? `~{${value.length}}\r\n${value}` : formatNstring(value)
}

/** RFC 5464 §4.4.1, RFC 9590 §3. @returns the answer, and the size of the longest value left out */
export async function metadataAnswer(
  context: Context,
  access: MailboxAccess | undefined,
  entries: readonly string[],
  { maxSize = Infinity, depth = 0 }: { maxSize?: number; depth?: number } = {},
): Promise<{ text: string; longest: number }> {
  let longest = 0
  const shown: string[] = []
  for (const [entry, value] of chosen(await annotationsOf(context, access), entries, depth)) {
    if (value !== null && value.length > maxSize) longest = Math.max(longest, value.length)
    else shown.push(`${entry} ${formatValue(value)}`)
  }
  const name = access === undefined ? '""' : formatMailbox(shownName(access), context.enabled.utf8)
  return { text: shown.length === 0 ? '' : `* METADATA ${name} (${shown.join(' ')})\r\n`, longest }
}

export const getmetadata = command({
  name: 'GETMETADATA',
  states: loggedIn,
  parse: parseGet,
  async run(context, { mailbox, entries, maxSize, depth }) {
    const access = mailbox === '' ? undefined : await resolveMailbox(context, mailbox)
    if (mailbox !== '' && access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    const { text, longest } = await metadataAnswer(context, access, entries, { maxSize, depth })
    context.out.text(text)
    return ok('That is all', longest > 0 ? `METADATA LONGENTRIES ${longest}` : undefined)
  },
})

async function setServer(context: Context, changes: readonly AnnotationChange[]): Promise<Reply | undefined> {
  const shared = changes.filter((change) => change.shared)
  // RFC 5464 §3.2.1.1: how to reach the administrator is not for clients to say.
  if (shared.some(({ name }) => name === '/admin')) return no('That annotation is read-only', 'NOPERM')
  if (shared.length > 0 && accountOf(context).role !== 'admin') {
    return no('Annotations of the server are for an administrator', 'NOPERM')
  }
  const own = changes.filter((change) => !change.shared)
  if (own.length > 0) await accountOf(context).mailboxes.setAnnotations(null, own, { origin: context.origin })
  if (shared.length > 0) await context.services.mailboxes.setServerAnnotations(shared, { origin: context.origin })
  return undefined
}

/** RFC 5464 §4.3. */
const tooBig = no('The value is too big', `METADATA MAXSIZE ${mailboxLimits.annotationValueBytesMax}`)

export const setmetadata = command({
  name: 'SETMETADATA',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    const mailbox = cursor.mailbox()
    cursor.space()
    const changes = cursor.list((): AnnotationChange => {
      const entry = parseEntry(cursor)
      cursor.space()
      const shared = entry.startsWith('/shared/')
      return { shared, name: entry.slice(shared ? 7 : 8), value: cursor.nstring() }
    })
    return { mailbox, changes }
  },
  intake: () => ({
    // Before its bytes come, where the client waits.
    accept: (_soFar, { bytes }) => (bytes > mailboxLimits.annotationValueBytesMax ? tooBig : 'hold'),
  }),
  async run(context, { mailbox, changes }) {
    if (mailbox === '') return (await setServer(context, changes)) ?? ok('The annotations are set')
    const access = await resolveMailbox(context, mailbox)
    if (access === undefined) return no('There is no such mailbox', 'NONEXISTENT')
    if (changes.some(({ value }) => value !== null && value.length > mailboxLimits.annotationValueBytesMax)) {
      return tooBig
    }
    await access.mailboxes.setAnnotations(access.record.id, changes, { origin: context.origin })
    return ok('The annotations are set')
  },
})
