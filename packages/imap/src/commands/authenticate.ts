// AUTHENTICATE (RFC 9051 §6.2.2) with an initial response (RFC 4959): SASL PLAIN (RFC 4616) and LOGIN.
import { bad, no } from '../replies.ts'
import type { Reply } from '../replies.ts'
import { decodeUtf8 } from '../wire/cursor.ts'
import { fault } from '../wire/syntax-error.ts'
import { command } from './command.ts'
import type { Context } from './command.ts'
import { logIn, loginObstacle } from './login.ts'

/** Asks the client: `challenge` in clear; resolves with its answer's bytes. @throws SyntaxFault when it gave up. */
type Ask = (challenge: string) => Promise<string>

type Mechanism = (context: Context, ask: Ask, initial: string | undefined) => Promise<Reply>

const plain: Mechanism = async (context, ask, initial) => {
  const [authorization, name, password, more] = (initial ?? (await ask(''))).split('\0')
  if (authorization === undefined || !name || !password || more !== undefined)
    return bad('The PLAIN answer is malformed')
  if (authorization !== '' && authorization !== name)
    return no('Nobody acts for someone else here', 'AUTHORIZATIONFAILED')
  return logIn(context, decodeUtf8(name), decodeUtf8(password))
}

/** draft-murchison-sasl-login: never a standard, but some clients know no other. */
const loginMechanism: Mechanism = async (context, ask, initial) => {
  const name = initial ?? (await ask('Username:'))
  const password = await ask('Password:')
  if (name === '' || password === '') return bad('The LOGIN answer is malformed')
  return logIn(context, decodeUtf8(name), decodeUtf8(password))
}

const mechanisms: Readonly<Record<string, Mechanism>> = { PLAIN: plain, LOGIN: loginMechanism }

function decodeAnswer(line: string): string {
  if (line === '=') return ''
  const wellFormed = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(line)
  return wellFormed ? Buffer.from(line, 'base64').toString('latin1') : fault('the answer is not base64')
}

export const authenticate = command({
  name: 'AUTHENTICATE',
  states: ['not-authenticated'],
  parse(cursor) {
    cursor.space()
    const mechanism = cursor.keyword()
    return { mechanism, initial: cursor.take(' ') ? cursor.base64() : undefined }
  },
  async run(context, { mechanism, initial }) {
    const start = Object.hasOwn(mechanisms, mechanism) ? mechanisms[mechanism] : undefined
    if (start === undefined) return no('There is no such mechanism', 'CANNOT')
    const obstacle = loginObstacle(context)
    if (obstacle !== undefined) return obstacle
    const ask: Ask = async (challenge) => {
      const line = await context.ask(Buffer.from(challenge).toString('base64'))
      if (line === undefined) fault('the answer is too long')
      if (line === '*') fault('the client gave up')
      return decodeAnswer(line)
    }
    return start(context, ask, initial === undefined ? undefined : decodeAnswer(initial))
  },
})
