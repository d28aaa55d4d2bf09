// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one root, the account, limited in bytes.
import { no, ok } from '../replies.ts'
import { formatMailbox } from '../wire/encode.ts'
import { resolveMailbox, shownName } from '../mailbox-access.ts'
import { accountOf, command, loggedIn, parseMailbox } from './command.ts'
import type { Context } from './command.ts'

const ROOT = '""'

/** STORAGE is counted in units of 1024 octets (RFC 9208 §5.1). */
const UNIT_BYTES = 1024

function quotaAnswer(context: Context): string {
  const { usedBytes, quotaBytes } = accountOf(context).mailboxes.state()
  const used = Math.ceil(usedBytes / UNIT_BYTES)
  return `* QUOTA ${ROOT} (STORAGE ${used} ${Math.floor(quotaBytes / UNIT_BYTES)})\r\n`
}

export const getquota = command({
  name: 'GETQUOTA',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    return cursor.astring()
  },
  async run(context, root) {
    if (root !== '') return no('There is no such quota root', 'NONEXISTENT')
    context.out.text(quotaAnswer(context))
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
    context.out.text(`* QUOTAROOT ${formatMailbox(shownName(access), context.enabled.utf8)} ${ROOT}\r\n`)
    context.out.text(quotaAnswer(context))
    return ok('That is all')
  },
})

export const setquota = command({
  name: 'SETQUOTA',
  states: loggedIn,
  parse(cursor) {
    cursor.space()
    cursor.astring()
    cursor.space()
    cursor.list(() => {
      cursor.atom()
      cursor.space()
      cursor.number()
    }, true)
  },
  run: async () => no('Quotas are set by an administrator', 'NOPERM'),
})
