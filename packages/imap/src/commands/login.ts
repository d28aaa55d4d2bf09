// LOGIN (RFC 9051 §6.2.3), and what every way of logging in ends with.
import type { SaslOutcome } from '@skein/accounts'
import { sleep } from '@skein/runtime'
import { no, ok } from '../replies.ts'
import type { Reply } from '../replies.ts'
import { command } from './command.ts'
import type { Context } from './command.ts'

/** Failed logins by connection: each answer comes later than the one before. */
const failures = new WeakMap<object, number>()

const PRIVACY_REQUIRED = no('Passwords are told under TLS only: use STARTTLS first', 'PRIVACYREQUIRED')

/** Why nobody may log in on this connection as it is, if so. */
export function loginObstacle(context: Context): Reply | undefined {
  return context.loginAllowed ? undefined : PRIVACY_REQUIRED
}

/** The text is one for all refusals: nothing tells an unknown user from a wrong password. */
async function refuse(context: Context): Promise<Reply> {
  const count = failures.get(context) ?? 0
  failures.set(context, count + 1)
  const { loginFailureDelayMs, loginFailureDelayMaxMs, loginFailuresMax } = context.limits
  await sleep(context.services.clock, Math.min(loginFailureDelayMs * 2 ** count, loginFailureDelayMaxMs))
  if (count + 1 >= loginFailuresMax) context.leave('Too many failed logins')
  return no('The name or the password is wrong', 'AUTHENTICATIONFAILED')
}

/** What every way of logging in ends with. */
export async function finishLogin(context: Context, outcome: SaslOutcome): Promise<Reply> {
  const { mailboxes } = context.services
  if (outcome.kind === 'refused') return refuse(context)
  if (outcome.kind === 'not-authorized') return no('Nobody acts for someone else here', 'AUTHORIZATIONFAILED')
  if (outcome.kind === 'unavailable') return no('The mailbox cannot be reached now; try again later', 'UNAVAILABLE')
  if (outcome.kind === 'throttled') {
    const seconds = Math.ceil(outcome.retryAfterMs / 1000)
    return no(`Too many failed logins; try again in ${seconds} s`, 'UNAVAILABLE')
  }
  if (outcome.kind === 'elsewhere') return context.goElsewhere(outcome)
  const { id, address, role } = outcome.account
  context.advance({ kind: 'logged-in', account: { mailboxes: await mailboxes.open(id), address, role } })
  return ok('Logged in', `CAPABILITY ${context.capabilities()}`)
}

export const login = command({
  name: 'LOGIN',
  states: ['not-authenticated'],
  parse(cursor) {
    cursor.space()
    const name = cursor.utf8Text()
    cursor.space()
    return { name, password: cursor.utf8Text() }
  },
  async run(context, { name, password }) {
    const obstacle = loginObstacle(context)
    if (obstacle !== undefined) return obstacle
    const { services, remoteAddress } = context
    return finishLogin(context, await services.authenticator.login({ name, password, remoteAddress, protocol: 'imap' }))
  },
})
