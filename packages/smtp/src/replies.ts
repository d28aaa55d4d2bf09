// Everything this server says besides 250: one place for reply codes (RFC 5321 §4.2) and enhanced status codes (RFC 3463),
// and the one mapping from the house's errors to them.
import { LetterRefused } from '@skein/delivery'
import { SkeinError } from '@skein/runtime'

export interface Reply {
  code: number
  /** RFC 3463; '' for none. */
  status: string
  text: string
}

const reply = (code: number, status: string, text: string): Reply => ({ code, status, text })

export const replies = {
  tooManyConnections: reply(421, '4.3.2', 'too many connections, try again later'),
  tooManyFromAddress: reply(421, '4.7.0', 'too many connections from your address, try again later'),
  shuttingDown: reply(421, '4.3.2', 'the server is shutting down, try again later'),
  commandTimeout: reply(421, '4.4.2', 'no command came in time'),
  dataTimeout: reply(421, '4.4.2', 'the message did not come in time'),
  tooManyBadCommands: reply(421, '4.7.0', 'too many bad commands'),
  tooManyAuthFailures: reply(421, '4.7.0', 'too many failed log-ins'),
  plaintextAfterStarttls: reply(421, '4.7.0', 'nothing may follow STARTTLS before the TLS handshake'),
  lineTooLong: reply(500, '5.5.2', 'command line too long'),
  bareLineEnd: reply(500, '5.5.2', 'a command line ends with CR LF, and has no other CR, LF or NUL'),
  notVerified: reply(252, '2.1.5', 'send a letter and see'),
  notImplemented: reply(502, '5.5.1', 'command not implemented'),
  needHello: reply(503, '5.5.1', 'say EHLO first'),
  needMail: reply(503, '5.5.1', 'need MAIL before this'),
  needRecipient: reply(554, '5.5.1', 'no valid recipients'),
  nestedMail: reply(503, '5.5.1', 'a mail transaction is open already'),
  inTransaction: reply(503, '5.5.1', 'not during a mail transaction'),
  noParameters: reply(501, '5.5.4', 'this command has no parameters'),
  helloSyntax: reply(501, '', 'syntax: EHLO host-name'),
  senderSyntax: reply(501, '5.1.7', 'bad sender address syntax'),
  recipientSyntax: reply(501, '5.1.3', 'bad recipient address syntax'),
  parameterSyntax: reply(501, '5.5.4', 'bad parameter syntax'),
  parameterUnknown: reply(555, '5.5.4', 'parameter not recognised'),
  // RFC 6531 §3.5: a non-ASCII mailbox name needs the SMTPUTF8 parameter.
  needsSmtpUtf8: reply(553, '5.6.7', 'a non-ASCII address needs SMTPUTF8'),
  tooManyRecipients: reply(452, '4.5.3', 'too many recipients, send the rest in another transaction'),
  messageTooLarge: reply(552, '5.3.4', 'the message is larger than this server takes'),
  bareLineEndInData: reply(
    550,
    '5.6.0',
    'the message has a bare CR or bare LF; lines end with CR LF (RFC 5321 section 2.3.8)',
  ),
  maskedEndInData: reply(550, '5.6.0', 'the message has a line that is a single dot hidden by NUL characters'),
  // RFC 4954 §6: the mechanism needs encryption.
  authNeedsTls: reply(538, '5.7.11', 'use STARTTLS first: passwords are not taken in clear text'),
  authMechanismUnknown: reply(504, '5.5.4', 'authentication mechanism not offered'),
  authBase64: reply(501, '5.5.2', 'the response is not base64'),
  authMalformed: reply(501, '5.5.2', 'the response is malformed'),
  // RFC 4954 §4.
  authCancelled: reply(501, '5.7.0', 'log-in cancelled'),
  authTwice: reply(503, '5.5.1', 'somebody has logged in already'),
  authSyntax: reply(501, '5.5.4', 'syntax: AUTH mechanism [initial-response]'),
  authForAnother: reply(535, '5.7.8', 'nobody acts for somebody else here'),
  authRefused: reply(535, '5.7.8', 'wrong name or password'),
  authUnavailable: reply(454, '4.7.0', 'log-in is not possible at the moment, try again later'),
  chunkSyntax: reply(501, '5.5.4', 'syntax: BDAT size [LAST]; what follows can not be told from commands'),
  binaryNeedsBdat: reply(503, '5.5.1', 'a binary message comes by BDAT'),
  inChunks: reply(503, '5.5.1', 'this message comes by BDAT: send the last chunk or RSET'),
  // RFC 4865 §4.
  heldTooLong: reply(501, '5.5.4', 'that is further ahead than letters are held here'),
  // RFC 3865 §2.3.
  solicitationRefused: reply(550, '5.7.1', 'nobody here wants to be offered that'),
  proxySyntax: reply(421, '4.7.0', 'a PROXY header was expected'),
  xclientSyntax: reply(501, '5.5.4', 'bad attribute or value'),
  internalError: reply(451, '4.3.0', 'internal error, try again later'),
} as const satisfies Record<string, Reply>

export function throttledReply(retryAfterMs: number): Reply {
  return reply(454, '4.7.0', `too many failed log-ins, try again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s`)
}

/** Errors that a letter meets on its way in. What has no line here is answered by its kind. */
const byErrorCode: Readonly<Record<string, { code: number; status: string }>> = {
  'disk-full': { code: 452, status: '4.3.1' },
  'over-quota': { code: 452, status: '4.2.2' },
  'message-too-large': { code: 552, status: '5.3.4' },
  'header-too-large': { code: 552, status: '5.3.4' },
  'too-many-recipients': { code: 452, status: '4.5.3' },
  'mail-loop': { code: 554, status: '5.4.6' },
  'sending-too-much': { code: 450, status: '4.7.1' },
}

const byErrorKind: Readonly<Record<SkeinError['kind'], { code: number; status: string }>> = {
  refused: { code: 550, status: '5.7.1' },
  permanent: { code: 550, status: '5.3.0' },
  temporary: { code: 451, status: '4.3.0' },
}

/** What to say about `error`; `isKnown` is false where it was nobody's plan and belongs in the log. */
export function replyForError(error: unknown): { reply: Reply; isKnown: boolean } {
  if (!(error instanceof SkeinError)) return { reply: replies.internalError, isKnown: false }
  if (error instanceof LetterRefused) {
    return { reply: { code: error.replyCode, status: error.status, text: error.message }, isKnown: true }
  }
  const { code, status } = byErrorCode[error.code] ?? byErrorKind[error.kind]
  return { reply: { code, status, text: error.message }, isKnown: true }
}
