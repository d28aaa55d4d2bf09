// AUTH (RFC 4954): the mechanisms of packages/accounts/src/sasl in SMTP's words.
// Promises: one reply or challenge for each line of the client's; a failure of ours is a temporary one to the client.
import {
  type Authenticator,
  type SaslExchange,
  type SaslFacts,
  type SaslOutcome,
  type SaslStep,
  decodeInitialResponse,
  decodeSaslResponse,
  startSasl,
} from '@skein/accounts'
import { type Reply, replies, throttledReply } from './replies.ts'

type SignedInAccount = Extract<SaslOutcome, { kind: 'ok' | 'elsewhere' }>['account']

export interface AuthCircumstances {
  authenticator: Authenticator
  facts: SaslFacts
  mayAuthenticate: boolean
  isLoggedIn: boolean
  isInTransaction: boolean
}

/** @param line the whole AUTH command. */
export function openAuth(line: string, circumstances: AuthCircumstances): SaslExchange | Reply {
  const { authenticator, facts, mayAuthenticate, isLoggedIn, isInTransaction } = circumstances
  const [, mechanism = '', initial, more] = line.trim().split(/ +/)
  if (!mayAuthenticate) return replies.authNeedsTls
  if (isInTransaction) return replies.inTransaction
  if (isLoggedIn) return replies.authTwice
  if (mechanism === '' || more !== undefined) return replies.authSyntax
  const response = initial === undefined ? undefined : decodeInitialResponse(initial)
  const exchange = startSasl(authenticator, facts, mechanism, response)
  if (!exchange) return replies.authMechanismUnknown
  return initial !== undefined && !response ? replies.authBase64 : exchange
}

export interface AuthConnection {
  /** Sends a 334 and has the client's next line go to `take`. */
  challenge(text: string, take: (line: string) => Promise<void>): void
  succeed(account: SignedInAccount): void
  fail(reply: Reply): void
  /** True when this failed log-in was one too many. */
  authFailed(): boolean
  unexpected(error: unknown): void
}

export class AuthDialogue {
  readonly #connection: AuthConnection
  readonly #exchange: SaslExchange

  constructor(connection: AuthConnection, exchange: SaslExchange) {
    this.#connection = connection
    this.#exchange = exchange
  }

  /** Resolves when the client has been answered. */
  begin(): Promise<void> {
    return this.#step(() => this.#exchange.begin())
  }

  async #take(line: string): Promise<void> {
    const response = line === '*' ? undefined : decodeSaslResponse(line)
    if (response) return this.#step(() => this.#exchange.respond(response))
    this.#connection.fail(line === '*' ? replies.authCancelled : replies.authBase64)
    await this.#exchange.cancel()
  }

  async #step(next: () => Promise<SaslStep>): Promise<void> {
    const connection = this.#connection
    try {
      const step = await next()
      if (step.kind === 'challenge') {
        connection.challenge(Buffer.from(step.data).toString('base64'), (line) => this.#take(line))
      } else if (step.kind === 'malformed') {
        connection.fail({ ...replies.authMalformed, text: step.text })
      } else {
        this.#finish(step.outcome)
      }
    } catch (error) {
      connection.unexpected(error)
      connection.fail(replies.authUnavailable)
    }
  }

  #finish(outcome: SaslOutcome): void {
    const connection = this.#connection
    switch (outcome.kind) {
      case 'ok':
      case 'elsewhere':
        return connection.succeed(outcome.account)
      case 'unavailable':
        return connection.fail(replies.authUnavailable)
      case 'not-authorized':
        return connection.fail(replies.authForAnother)
      case 'throttled':
        return connection.fail(
          connection.authFailed() ? replies.tooManyAuthFailures : throttledReply(outcome.retryAfterMs),
        )
      case 'refused':
        return connection.fail(connection.authFailed() ? replies.tooManyAuthFailures : replies.authRefused)
    }
  }
}
