// AUTHENTICATE (RFC 9051 §6.2.2) with an initial response (RFC 4959). The mechanisms are those of packages/accounts/src/sasl.
import { type SaslOutcome, decodeInitialResponse, decodeSaslResponse, startSasl } from '@skein/accounts'
import { bad, no } from '../replies.ts'
import { fault } from '../wire/syntax-error.ts'
import { command } from './command.ts'
import type { Context } from './command.ts'
import { finishLogin, loginObstacle } from './login.ts'

/** The client's answer to a challenge. @throws SyntaxFault when it gave up, or made no sense */
async function ask(context: Context, challenge: Uint8Array): Promise<Uint8Array> {
  const line = await context.ask(Buffer.from(challenge).toString('base64'))
  if (line === undefined) fault('the answer is too long')
  if (line === '*') fault('the client gave up')
  return decodeSaslResponse(line) ?? fault('the answer is not base64')
}

export const authenticate = command({
  name: 'AUTHENTICATE',
  states: ['not-authenticated'],
  parse(cursor) {
    cursor.space()
    const mechanism = cursor.keyword()
    if (!cursor.take(' ')) return { mechanism, initial: undefined }
    return { mechanism, initial: decodeInitialResponse(cursor.base64()) ?? fault('the answer is not base64') }
  },
  async run(context, { mechanism, initial }) {
    const exchange = startSasl(context.services.authenticator, context.saslFacts(), mechanism, initial)
    if (exchange === undefined) return no('There is no such mechanism', 'CANNOT')
    const obstacle = loginObstacle(context)
    if (obstacle !== undefined) return obstacle
    let outcome: SaslOutcome | undefined
    try {
      let step = await exchange.begin()
      while (step.kind === 'challenge') step = await exchange.respond(await ask(context, step.data))
      if (step.kind === 'malformed') return bad(step.text)
      outcome = step.outcome
    } finally {
      // Cancelled, or the connection is gone.
      if (outcome === undefined) await exchange.cancel()
    }
    return finishLogin(context, outcome)
  },
})
