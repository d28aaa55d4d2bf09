// Domain error codes to IMAP answers (RFC 9051 §7.1, RFC 5530). What is not listed here is our own fault:
// the client gets SERVERBUG, the log gets the cause, and the connection goes on.
import { SkeinError } from '@skein/runtime'
import { formatText } from './wire/encode.ts'

export interface Reply {
  status: 'OK' | 'NO' | 'BAD'
  /** Response code without its brackets. */
  code?: string
  text: string
}

export function ok(text: string, code?: string): Reply {
  return code === undefined ? { status: 'OK', text } : { status: 'OK', code, text }
}

export function no(text: string, code?: string): Reply {
  return code === undefined ? { status: 'NO', text } : { status: 'NO', code, text }
}

export function bad(text: string, code?: string): Reply {
  return code === undefined ? { status: 'BAD', text } : { status: 'BAD', code, text }
}

export function formatReply(tag: string, reply: Reply): string {
  const code = reply.code === undefined ? '' : `[${reply.code}] `
  return `${tag} ${reply.status} ${code}${formatText(reply.text)}\r\n`
}

/** Response code by error code. */
const codes: Readonly<Record<string, string>> = {
  'no-such-mailbox': 'NONEXISTENT',
  'mailbox-exists': 'ALREADYEXISTS',
  'mailbox-name-invalid': 'CANNOT',
  'mailbox-has-children': 'HASCHILDREN',
  'mailbox-undeletable': 'CANNOT',
  'too-many-mailboxes': 'LIMIT',
  'too-many-subscriptions': 'LIMIT',
  'too-many-keywords': 'LIMIT',
  'flag-invalid': 'CANNOT',
  'mailbox-full': 'LIMIT',
  'store-closed': 'UNAVAILABLE',
  'over-quota': 'OVERQUOTA',
  'not-permitted': 'NOPERM',
  'no-such-message': 'EXPUNGEISSUED',
  'too-many-acl-entries': 'LIMIT',
  'too-many-annotations': 'METADATA TOOMANY',
  'annotation-too-big': 'METADATA MAXSIZE 65536',
  'annotation-invalid': 'CANNOT',
  'message-too-big': 'TOOBIG',
  'message-damaged': 'CORRUPTION',
  'no-such-account': 'UNAVAILABLE',
  'account-suspended': 'AUTHORIZATIONFAILED',
  'account-elsewhere': 'UNAVAILABLE',
  'read-only': 'READ-ONLY',
  'not-owner': 'UNAVAILABLE',
  'peer-unreachable': 'UNAVAILABLE',
  'disk-full': 'UNAVAILABLE',
  'shutting-down': 'UNAVAILABLE',
}

export interface MappedError {
  reply: Reply
  /** The cause belongs in the log. */
  unexpected: boolean
}

/** @param destination the error is about the mailbox that messages should go to (RFC 9051 §7.1 TRYCREATE). */
export function replyToError(error: unknown, destination: boolean): MappedError {
  if (error instanceof SkeinError) {
    const code = codes[error.code]
    if (code !== undefined) {
      const shown = code === 'NONEXISTENT' && destination ? 'TRYCREATE' : code
      return { reply: no(error.message, shown), unexpected: error.kind === 'permanent' }
    }
    if (error.kind === 'refused') return { reply: no(error.message, 'CANNOT'), unexpected: true }
    if (error.kind === 'temporary') return { reply: no(error.message, 'UNAVAILABLE'), unexpected: true }
  }
  return { reply: no('Internal error; it has been logged', 'SERVERBUG'), unexpected: true }
}
