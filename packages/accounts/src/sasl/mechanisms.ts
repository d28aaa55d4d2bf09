// The mechanisms, in the order in which they are best used; and the way in for every front door.
import type { Authenticator } from '../ports.ts'
import { SaslExchange, type SaslFacts, type SaslMechanism } from './exchange.ts'
import { external } from './external.ts'
import { oauthBearer, xoauth2 } from './oauth.ts'
import { login, plain } from './plain.ts'
import { scramSha256, scramSha256Plus } from './scram.ts'

export const saslMechanisms: readonly SaslMechanism[] = [
  external,
  scramSha256Plus,
  scramSha256,
  oauthBearer,
  xoauth2,
  plain,
  login,
]

/** The names that are offered on this connection. Whether anyone may log in on it at all is the front door's to say. */
export function saslMechanismsOffered(authenticator: Authenticator, facts: SaslFacts): string[] {
  return saslMechanisms.filter((one) => one.isOffered(authenticator, facts)).map((one) => one.name)
}

/** Undefined where the mechanism is not offered. */
export function startSasl(
  authenticator: Authenticator,
  facts: SaslFacts,
  name: string,
  initial: Uint8Array | undefined,
): SaslExchange | undefined {
  const wanted = name.toUpperCase()
  const mechanism = saslMechanisms.find((one) => one.name === wanted)
  if (!mechanism?.isOffered(authenticator, facts)) return undefined
  return new SaslExchange(mechanism.name, mechanism.converse(authenticator, facts, initial))
}
