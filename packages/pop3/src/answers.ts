// What a command answers, and the one mapping from the house's errors and log-in outcomes to POP3's response codes
// (RFC 2449 §8, RFC 3206).
import type { SaslOutcome } from '@skein/accounts'
import { type PeerStream, SkeinError } from '@skein/runtime'
import { type Language, inLanguage } from './texts.ts'

export type ResponseCode = 'IN-USE' | 'LOGIN-DELAY' | 'AUTH' | 'SYS/TEMP' | 'SYS/PERM' | 'UTF8'

export interface ErrorAnswer {
  kind: 'error'
  code: ResponseCode | null
  text: string
  /** The client's own mistake: counted, and too many end the session. */
  isBad: boolean
}

export type Answer =
  | { kind: 'ok'; text: string; thenClose?: boolean }
  | { kind: 'lines'; text: string; lines: Iterable<string> }
  /** The bytes of a message, without regard to dots and its last line end. */
  | { kind: 'message'; text: string; bytes: Uint8Array | AsyncIterable<Uint8Array> }
  /** RFC 2595 §4: the TLS handshake follows the reply. */
  | { kind: 'start-tls'; text: string }
  /** The session goes on at its home, whose answer it is. */
  | { kind: 'carried'; home: PeerStream }
  | ErrorAnswer

export const ok = (text: string): Answer => ({ kind: 'ok', text })

export const refuse = (text: string, code: ResponseCode | null = null): ErrorAnswer => ({
  kind: 'error',
  code,
  text,
  isBad: false,
})

export const bad = (text: string): ErrorAnswer => ({ kind: 'error', code: null, text, isBad: true })

export const answers = {
  unknownCommand: bad('unknown command'),
  wrongState: bad('not in this state'),
  syntax: bad('wrong arguments'),
  lineTooLong: bad('command line too long'),
  tooManyBadCommands: refuse('too many bad commands'),
  tooManyAuthFailures: refuse('too many failed log-ins', 'SYS/TEMP'),
  tooManyConnections: refuse('too many connections, try again later', 'SYS/TEMP'),
  shuttingDown: refuse('the server is shutting down, try again later', 'SYS/TEMP'),
  idle: refuse('no command came in time'),
  dismissed: refuse('this account was changed by an administrator', 'SYS/PERM'),
  internalError: refuse('internal error, try again later', 'SYS/TEMP'),
  noSuchMessage: refuse('no such message'),
  inUse: refuse('another session has this mailbox open', 'IN-USE'),
  plaintextAfterStls: refuse('nothing may follow STLS before the TLS handshake'),
  needsTls: refuse('use STLS first: passwords are not taken in clear text', 'AUTH'),
  authCancelled: refuse('log-in cancelled'),
  authNotBase64: bad('the response is not base64'),
  authMechanismUnknown: bad('authentication mechanism not offered'),
  // One answer for an unknown user and a wrong password.
  authRefused: refuse('wrong name or password', 'AUTH'),
  actsForAnother: refuse('nobody acts for somebody else here', 'AUTH'),
} as const satisfies Record<string, ErrorAnswer>

/** What to say about a log-in that gave no mailbox. */
export function answerForLogin(outcome: Exclude<SaslOutcome, { kind: 'ok' }>): ErrorAnswer {
  switch (outcome.kind) {
    case 'refused':
      return answers.authRefused
    case 'not-authorized':
      return answers.actsForAnother
    case 'elsewhere':
      return refuse(`this mailbox is served by ${outcome.homeName}`, 'SYS/PERM')
    case 'unavailable':
      return refuse('the node that keeps this mailbox can not be reached now', 'SYS/TEMP')
    default: {
      const seconds = Math.max(1, Math.ceil(outcome.retryAfterMs / 1000))
      return refuse(`too many failed log-ins, try again in ${seconds} s`, 'SYS/TEMP')
    }
  }
}

/** `isKnown` is false where the error was nobody's plan and belongs in the log. */
export function answerForError(error: unknown): { answer: ErrorAnswer; isKnown: boolean } {
  if (!(error instanceof SkeinError)) return { answer: answers.internalError, isKnown: false }
  return { answer: refuse(error.message, error.kind === 'temporary' ? 'SYS/TEMP' : 'SYS/PERM'), isKnown: true }
}

// oxlint-disable-next-line no-control-regex
const controls = /[\x00-\x1f\x7f]/g

export function formatError({ code, text }: ErrorAnswer, language: Language = 'en'): string {
  return `-ERR ${code === null ? '' : `[${code}] `}${inLanguage(text, language).replace(controls, ' ')}\r\n`
}
