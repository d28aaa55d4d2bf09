// OAUTHBEARER (RFC 7628) and its forerunner XOAUTH2: a token of somebody else's log-in service.
// Promises: neither is offered until something can verify tokens.
import { canonicalAddress } from '@skein/mail'
import type { Authenticator } from '../ports.ts'
import { type Conversation, MalformedResponse, type SaslFacts, type SaslMechanism, textOf } from './exchange.ts'

const nothing = new Uint8Array(0)
const bearer = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i

/** RFC 7628 §3.1: `key=value` pairs, each ended by ^A, and one more ^A. */
function pairsOf(text: string): Map<string, string> {
  if (!text.endsWith('\x01\x01')) throw new MalformedResponse('The OAuth answer is malformed')
  const pairs = new Map<string, string>()
  for (const pair of text.slice(0, -2).split('\x01')) {
    const match = /^([A-Za-z0-9]+)=([^\u0000]*)$/.exec(pair)
    if (!match || pairs.has(match[1] ?? '')) throw new MalformedResponse('The OAuth answer is malformed')
    pairs.set(match[1] ?? '', match[2] ?? '')
  }
  return pairs
}

async function* converseWithToken(
  authenticator: Authenticator,
  { remoteAddress, protocol }: SaslFacts,
  name: string | undefined,
  authorization: string,
  problem: (scope: string | undefined, configuration: string | undefined) => object,
): Conversation {
  const { tokens } = authenticator
  const token = bearer.exec(authorization)?.[1]
  if (!tokens || token === undefined) throw new MalformedResponse('A bearer token is wanted')
  const outcome = await tokens.login({ token, name, remoteAddress, protocol })
  if (outcome.kind !== 'refused') return outcome
  // RFC 7628 §3.2.2, §3.2.3: why, as JSON; the client answers with ^A (XOAUTH2: with nothing), and only then it is over.
  yield Buffer.from(JSON.stringify(problem(tokens.scope, tokens.configurationUrl)))
  return outcome
}

async function* converseInBearer(
  authenticator: Authenticator,
  facts: SaslFacts,
  initial: Uint8Array | undefined,
): Conversation {
  const text = textOf(initial ?? (yield nothing))
  const header = /^([nyp])(?:=[A-Za-z0-9.-]+)?,(?:a=((?:[^,=\u0000]|=2C|=3D)+))?,\x01/u.exec(text)
  // RFC 7628 §3.1: the mechanism has no channel binding.
  if (!header || header[1] === 'p') throw new MalformedResponse('The OAuth answer is malformed')
  const name = header[2]?.replaceAll('=2C', ',').replaceAll('=3D', '=')
  const authorization = pairsOf(text.slice(header[0].length)).get('auth')
  if (authorization === undefined) throw new MalformedResponse('A bearer token is wanted')
  return yield* converseWithToken(authenticator, facts, name, authorization, (scope, configuration) => ({
    status: 'invalid_token',
    ...(scope === undefined ? {} : { scope }),
    ...(configuration === undefined ? {} : { 'openid-configuration': configuration }),
  }))
}

async function* converseInXoauth2(
  authenticator: Authenticator,
  facts: SaslFacts,
  initial: Uint8Array | undefined,
): Conversation {
  const pairs = pairsOf(textOf(initial ?? (yield nothing)))
  const name = pairs.get('user')
  const authorization = pairs.get('auth')
  if (!name || authorization === undefined) throw new MalformedResponse('The OAuth answer is malformed')
  return yield* converseWithToken(authenticator, facts, name, authorization, (scope) => ({
    status: '401',
    schemes: 'bearer',
    ...(scope === undefined ? {} : { scope }),
  }))
}

const isOffered = (authenticator: Authenticator) => authenticator.tokens !== undefined

export const oauthBearer: SaslMechanism = { name: 'OAUTHBEARER', isOffered, converse: converseInBearer }

export const xoauth2: SaslMechanism = { name: 'XOAUTH2', isOffered, converse: converseInXoauth2 }

/** Whether a token's owner is whom the client named, where it named anyone. */
export function isTokenOf(address: string, name: string | undefined): boolean {
  return name === undefined || canonicalAddress(name.trim()) === address
}
