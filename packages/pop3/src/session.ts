// The states of a session (RFC 1939 §3), and what a command sees of its connection.
import type { SaslFacts, SaslOutcome } from '@skein/accounts'
import type { Answer } from './answers.ts'
import type { Pop3House } from './house.ts'
import type { Maildrop } from './maildrop.ts'
import type { Language } from './texts.ts'

export type Session =
  | { state: 'authorization'; user: string | null; utf8: boolean }
  | { state: 'transaction'; maildrop: Maildrop; utf8: boolean }
  | { state: 'update' }

export interface CommandContext {
  readonly house: Pop3House
  readonly remoteAddress: string
  readonly isSecure: boolean
  /** Over TLS, or from this machine. */
  readonly mayLogIn: boolean
  session: Session
  /** Of the texts for people (RFC 6856 §3). */
  language: Language
  /** Sends `+ challenge` and waits for the client's line; null where it breaks off. */
  challenge(text: string): Promise<string | null>
  /** What a SASL mechanism may know of this connection. */
  saslFacts(): SaslFacts
  /** What every log-in ends with: opens the mailbox, and counts failures. */
  finishLogin(outcome: SaslOutcome): Promise<Answer>
}
