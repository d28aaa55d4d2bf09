// AUTH PLAIN and LOGIN with initial response (RFC 5034, RFC 4616).
import { type Answer, answers, bad } from '../answers.ts'
import type { CommandContext } from '../session.ts'
import { defineCommand } from './command.ts'

export const mechanisms: readonly string[] = ['PLAIN', 'LOGIN']

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** The client's text, or the answer that ends the exchange. */
async function ask(context: CommandContext, challenge: string, initial?: string): Promise<string | { answer: Answer }> {
  // RFC 5034 §4: `=` is an initial response of no bytes.
  const line = initial === '=' ? '' : (initial ?? (await context.challenge(challenge)))
  if (line === null || line === '*') return { answer: answers.authCancelled }
  if (!base64.test(line)) return { answer: answers.authNotBase64 }
  return Buffer.from(line, 'base64').toString('utf8')
}

async function plain(context: CommandContext, initial: string | undefined): Promise<Answer> {
  const response = await ask(context, '', initial)
  if (typeof response !== 'string') return response.answer
  const [authorizationId, name, password, ...more] = response.split('\0')
  if (!name || password === undefined || more.length > 0) return bad('malformed PLAIN response')
  // RFC 4616 §2: acting for somebody else is not offered.
  if (authorizationId !== '' && authorizationId !== name) return answers.authRefused
  return context.logIn(name, password)
}

async function login(context: CommandContext, initial: string | undefined): Promise<Answer> {
  const name = await ask(context, Buffer.from('Username:').toString('base64'), initial)
  if (typeof name !== 'string') return name.answer
  const password = await ask(context, Buffer.from('Password:').toString('base64'))
  if (typeof password !== 'string') return password.answer
  return context.logIn(name, password)
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
    if (mechanism === '') return { kind: 'lines', text: 'mechanisms', lines: context.mayLogIn ? mechanisms : [] }
    if (!context.mayLogIn) return answers.needsTls
    if (mechanism === 'PLAIN') return plain(context, initial)
    if (mechanism === 'LOGIN') return login(context, initial)
    return answers.authMechanismUnknown
  },
})
