// The LIST answer that nobody asked for (RFC 9051 §7.3.1): what a mailbox is called, beside what the client called it.
import { formatMailbox, formatString, utf8Bytes } from './wire/encode.ts'

/** @param asked as the client wrote it; OLDNAME where the mailbox has another name. */
export function namedAnswer(shown: string, asked: string, utf8: boolean): string {
  const old = asked === shown ? '' : ` ("OLDNAME" (${formatString(utf8Bytes(asked), utf8)}))`
  return `* LIST () "/" ${formatMailbox(shown, utf8)}${old}\r\n`
}
