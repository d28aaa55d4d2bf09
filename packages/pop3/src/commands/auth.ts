// AUTH with an initial response (RFC 5034). The mechanisms are those of packages/accounts/src/sasl.
import {
  type SaslExchange,
  decodeInitialResponse,
  decodeSaslResponse,
  saslMechanismsOffered,
  startSasl,
} from '@skein/accounts'
import { type Answer, answers, bad } from '../answers.ts'
import type { CommandContext } from '../session.ts'
import { defineCommand } from './command.ts'

/** What AUTH and CAPA list on this connection. */
export function mechanismsOffered(context: CommandContext): readonly string[] {
  return context.mayLogIn ? saslMechanismsOffered(context.house.authenticator, context.saslFacts()) : []
}

async function converse(context: CommandContext, exchange: SaslExchange): Promise<Answer> {
  let step = await exchange.begin()
  while (step.kind === 'challenge') {
    const line = await context.challenge(Buffer.from(step.data).toString('base64'))
    const response = line === null || line === '*' ? undefined : decodeSaslResponse(line)
    if (response === undefined) {
      await exchange.cancel()
      return line === null || line === '*' ? answers.authCancelled : answers.authNotBase64
    }
    step = await exchange.respond(response)
  }
  return step.kind === 'malformed' ? bad(step.text) : context.finishLogin(step.outcome)
}

export const auth = defineCommand({
  name: 'AUTH',
  states: ['authorization'],
  parse: (text) => {
    const words = text.trim().split(/ +/)
    return words.length > 2 ? undefined : { mechanism: (words[0] ?? '').toUpperCase(), initial: words[1] }
  },
  run(context, { mechanism, initial }) {
    // Not in RFC 5034, but clients of old ask so for the list.
    if (mechanism === '') return { kind: 'lines', text: 'mechanisms', lines: mechanismsOffered(context) }
    if (!context.mayLogIn) return answers.needsTls
    const response = initial === undefined ? undefined : decodeInitialResponse(initial)
    const exchange = startSasl(context.house.authenticator, context.saslFacts(), mechanism, response)
    if (!exchange) return answers.authMechanismUnknown
    if (initial !== undefined && response === undefined) return answers.authNotBase64
    return converse(context, exchange)
  },
})
