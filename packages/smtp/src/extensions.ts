// What EHLO offers: one list, from which docs/protocols/support.md is made. What is not offered to a session is not understood
// in it either (`mail-parameters.ts` reads the same facts).
import type { SmtpLimits } from './limits.ts'
import type { SmtpRole } from './house.ts'

export interface ExtensionFacts {
  role: SmtpRole
  limits: SmtpLimits
  isSecure: boolean
  /** Mechanisms, where the session may log in now. */
  auth: readonly string[]
  /** RFC 3865: what this node's people do not want to be offered; goes into the EHLO line. */
  solicitationsRefused: readonly string[]
  mayXclient: boolean
  mayXforward: boolean
  nowMs: number
}

export function extensionsOffered(facts: ExtensionFacts): string[] {
  const { role, limits, isSecure } = facts
  const features = ['PIPELINING', `SIZE ${limits.messageBytesMax}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES']
  features.push('CHUNKING', 'BINARYMIME', 'DSN', 'DELIVERBY', 'MT-PRIORITY MIXER')
  features.push(['NO-SOLICITING', ...facts.solicitationsRefused].join(' '))
  // RFC 9422 §4.2.
  features.push(`LIMITS RCPTMAX=${limits.recipientsMax}`)
  if (isSubmission(role)) {
    // RFC 4865 §4: seconds, and the same as a date.
    const untilMs = facts.nowMs + limits.futureReleaseMaxMs
    features.push(`FUTURERELEASE ${Math.floor(limits.futureReleaseMaxMs / 1000)} ${dateTime(untilMs)}`)
  }
  // RFC 8689 §2: over TLS only.
  if (isSecure) features.push('REQUIRETLS')
  else features.push('STARTTLS')
  if (facts.auth.length > 0) features.push(`AUTH ${facts.auth.join(' ')}`)
  if (facts.mayXclient) features.push('XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT')
  if (facts.mayXforward) features.push('XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE')
  return features
}

export function isSubmission(role: SmtpRole): boolean {
  return role === 'submission' || role === 'submissions'
}

/** RFC 3339, to the second. */
function dateTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
