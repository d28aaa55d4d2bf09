// One log-in dialogue (RFC 4422): challenges and responses as bytes, whatever protocol carries them.
// Promises: pure state; the protocol adds base64, its own limits and the words for its answers.
import type { Authenticator, Login, LoginOutcome } from '../ports.ts'
import type { ChannelBindings } from './channel-binding.ts'

/** not-authorized: the log-in is right, but to act for somebody else (an authorization identity) is not offered. */
export type SaslOutcome = LoginOutcome | { kind: 'not-authorized' }

export type SaslStep =
  | { kind: 'challenge'; data: Uint8Array }
  | { kind: 'done'; outcome: SaslOutcome }
  /** The client's mistake: no guess, and no log-in. `text` is safe to show. */
  | { kind: 'malformed'; text: string }

/** What a mechanism may know of the connection. */
export interface SaslFacts {
  remoteAddress: string
  protocol: Login['protocol']
  /** Absent where TLS can not be bound to (RFC 9266): none, or older than 1.3. */
  channelBindings?: ChannelBindings | undefined
  /** Addresses in the certificate that the client proved to hold and that a configured authority signed. */
  certificateAddresses?: readonly string[] | undefined
}

export class MalformedResponse extends Error {}

/** Yields challenges, is given responses, returns how it ended. @throws MalformedResponse */
export type Conversation = AsyncGenerator<Uint8Array, SaslOutcome, Uint8Array>

export interface SaslMechanism {
  readonly name: string
  isOffered(authenticator: Authenticator, facts: SaslFacts): boolean
  /** @param initial the response that came along with the command (RFC 4959, RFC 5034, RFC 4954), which may be empty */
  converse(authenticator: Authenticator, facts: SaslFacts, initial: Uint8Array | undefined): Conversation
}

export class SaslExchange {
  readonly mechanism: string
  readonly #conversation: Conversation

  constructor(mechanism: string, conversation: Conversation) {
    this.mechanism = mechanism
    this.#conversation = conversation
  }

  /** The first step. @throws what the authenticator throws */
  begin(): Promise<SaslStep> {
    return this.#step(this.#conversation.next())
  }

  respond(response: Uint8Array): Promise<SaslStep> {
    return this.#step(this.#conversation.next(response))
  }

  /** The client gave up, or is gone. */
  async cancel(): Promise<void> {
    await this.#conversation.return({ kind: 'refused' })
  }

  async #step(next: Promise<IteratorResult<Uint8Array, SaslOutcome>>): Promise<SaslStep> {
    try {
      const { done, value } = await next
      return done === true ? { kind: 'done', outcome: value } : { kind: 'challenge', data: value }
    } catch (error) {
      if (error instanceof MalformedResponse) return { kind: 'malformed', text: error.message }
      throw error
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws MalformedResponse */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new MalformedResponse('The response is not UTF-8')
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** A response as it stands on the line; undefined where it is not base64 (RFC 4648 §4). */
export function decodeSaslResponse(line: string): Uint8Array | undefined {
  return base64.test(line) ? Buffer.from(line, 'base64') : undefined
}

/** The same for an initial response, in which `=` stands for no bytes (RFC 4959 §3, RFC 5034 §4, RFC 4954 §4). */
export function decodeInitialResponse(word: string): Uint8Array | undefined {
  return word === '=' ? new Uint8Array(0) : decodeSaslResponse(word)
}
