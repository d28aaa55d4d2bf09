// Mailbox names: Unicode in NFC, levels separated by '/', INBOX in any case for the first level (RFC 9051 §5.1).
import { failures } from './failures.ts'
import { mailboxLimits } from './ports.ts'

export const inboxName = 'INBOX'
const separator = '/'
// C0, DEL, C1 and the Unicode line ends: no Net-Unicode name has them (RFC 5198 §2).
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** One spelling for names that mean the same mailbox; checks nothing. */
export function canonicalName(name: string): string {
  const normal = name.normalize('NFC')
  const end = normal.indexOf(separator)
  const first = end < 0 ? normal : normal.slice(0, end)
  return first.toUpperCase() === inboxName ? inboxName + normal.slice(first.length) : normal
}

/** @throws SkeinError `mailbox-name-invalid` */
export function checkedName(name: string): string {
  const canonical = canonicalName(name)
  if (!canonical.isWellFormed()) throw failures.nameInvalid('is not well-formed Unicode')
  if (controls.test(canonical)) throw failures.nameInvalid('has control characters')
  if (Buffer.byteLength(canonical) > mailboxLimits.mailboxNameBytesMax) throw failures.nameInvalid('is too long')
  const levels = canonical.split(separator)
  if (levels.some((level) => level === '')) throw failures.nameInvalid('has an empty level')
  if (levels.length > mailboxLimits.mailboxDepthMax) throw failures.nameInvalid('has too many levels')
  return canonical
}

/** Parents of a name, the topmost first. */
export function parentNames(name: string): string[] {
  const parents: string[] = []
  for (let at = name.indexOf(separator); at >= 0; at = name.indexOf(separator, at + 1)) parents.push(name.slice(0, at))
  return parents
}

export function isBelow(name: string, parent: string): boolean {
  return name.startsWith(parent + separator)
}

/** INBOX first, then by name (code units). */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0
  if (a === inboxName) return -1
  if (b === inboxName) return 1
  return a < b ? -1 : 1
}
