// PLAIN (RFC 4616), and LOGIN, which was never a standard but is all that some clients know (draft-murchison-sasl-login).
import type { Authenticator } from '../ports.ts'
import { type Conversation, MalformedResponse, type SaslFacts, type SaslMechanism, textOf } from './exchange.ts'
import { isOwnName } from './own-name.ts'

const nothing = new Uint8Array(0)

async function* converseInPlain(
  authenticator: Authenticator,
  { remoteAddress, protocol }: SaslFacts,
  initial: Uint8Array | undefined,
): Conversation {
  const [authorizationId, name, password, more] = textOf(initial ?? (yield nothing)).split('\0')
  if (authorizationId === undefined || !name || !password || more !== undefined) {
    throw new MalformedResponse('The PLAIN answer is malformed')
  }
  const outcome = await authenticator.login({ name, password, remoteAddress, protocol })
  if (outcome.kind !== 'ok' && outcome.kind !== 'elsewhere') return outcome
  return isOwnName(authorizationId, name, outcome.account) ? outcome : { kind: 'not-authorized' }
}

async function* converseInLogin(
  authenticator: Authenticator,
  { remoteAddress, protocol }: SaslFacts,
  initial: Uint8Array | undefined,
): Conversation {
  const name = textOf(initial ?? (yield Buffer.from('Username:')))
  const password = textOf(yield Buffer.from('Password:'))
  if (name === '' || password === '') throw new MalformedResponse('The LOGIN answer is malformed')
  return authenticator.login({ name, password, remoteAddress, protocol })
}

export const plain: SaslMechanism = { name: 'PLAIN', isOffered: () => true, converse: converseInPlain }

export const login: SaslMechanism = { name: 'LOGIN', isOffered: () => true, converse: converseInLogin }
