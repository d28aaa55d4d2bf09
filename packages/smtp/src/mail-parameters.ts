// MAIL's parameters (RFC 5321 §4.1.1.11): one row for each keyword, which checks its value and notes what it asks for.
// Promises: whatever is not offered to the session is 555, whatever breaks its grammar 501, and nothing is half understood.
import type { EnvelopeOptions } from '@skein/delivery'
import { isXtext } from '@skein/mail'
import { isSubmission } from './extensions.ts'
import type { SmtpRole } from './house.ts'
import type { SmtpLimits } from './limits.ts'
import { type Reply, replies } from './replies.ts'

export interface MailParameterFacts {
  role: SmtpRole
  limits: SmtpLimits
  isSecure: boolean
  /** May set what goes before the mail of others: who is logged in, or trusted. */
  mayHurry(): boolean
  solicitationsRefused: readonly string[]
  nowMs: number
}

export interface MailParameters {
  smtpUtf8: boolean
  eightBit: boolean
  /** As announced with SIZE. */
  size: number | undefined
  options: EnvelopeOptions
  /** The priority that was asked for is not the one that counts (RFC 6710 §4.1). */
  priorityChanged: boolean
}

type Row = (value: string, into: MailParameters, facts: MailParameterFacts) => Reply | null

const rows: Readonly<Record<string, Row>> = {
  // RFC 1870 §3.
  SIZE(value, into, { limits }) {
    if (!/^\d{1,20}$/.test(value)) return replies.parameterSyntax
    into.size = Number(value)
    return into.size > limits.messageBytesMax ? replies.messageTooLarge : null
  },
  BODY(value, into) {
    const body = value.toUpperCase()
    if (!['7BIT', '8BITMIME', 'BINARYMIME'].includes(body)) return replies.parameterSyntax
    into.eightBit = body !== '7BIT'
    if (body === 'BINARYMIME') into.options.binary = true
    return null
  },
  SMTPUTF8(value, into) {
    into.smtpUtf8 = true
    return value === '' ? null : replies.parameterSyntax
  },
  // RFC 4954 §5: to be understood where AUTH is offered; whom a relay names means nothing here.
  AUTH: (value, _into, { role }) => (isSubmission(role) && value !== '' ? null : replies.parameterUnknown),
  // RFC 3461 §4.3.
  RET(value, into) {
    const ret = value.toLowerCase()
    if (ret !== 'full' && ret !== 'hdrs') return replies.parameterSyntax
    into.options.ret = ret
    return null
  },
  // RFC 3461 §4.4.
  ENVID(value, into, { limits }) {
    if (value === '' || value.length > limits.envelopeIdCharactersMax || !isXtext(value)) return replies.parameterSyntax
    into.options.envid = value
    return null
  },
  // RFC 8689 §2: not without TLS.
  REQUIRETLS(value, into, { isSecure }) {
    if (!isSecure) return replies.parameterUnknown
    into.options.requireTls = true
    return value === '' ? null : replies.parameterSyntax
  },
  BY: deliverBy,
  HOLDFOR(value, into, facts) {
    if (!isSubmission(facts.role)) return replies.parameterUnknown
    return /^\d{1,9}$/.test(value) ? hold(facts.nowMs + Number(value) * 1000, into, facts) : replies.parameterSyntax
  },
  HOLDUNTIL(value, into, facts) {
    if (!isSubmission(facts.role)) return replies.parameterUnknown
    const atMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)$/i.test(value) ? Date.parse(value) : Number.NaN
    return Number.isNaN(atMs) ? replies.parameterSyntax : hold(atMs, into, facts)
  },
  // RFC 6710 §3.
  'MT-PRIORITY'(value, into, { mayHurry }) {
    if (!/^(?:0|-?[1-9])$/.test(value)) return replies.parameterSyntax
    const asked = Number(value)
    const priority = mayHurry() ? asked : Math.min(asked, 0)
    into.priorityChanged = priority !== asked
    if (priority !== 0) into.options.priority = priority
    return null
  },
  // RFC 3865 §2.3: keywords are reversed domain names with a few words behind them.
  SOLICIT(value, into, { limits, solicitationsRefused }) {
    const keywords = value.split(',')
    const sound = keywords.every((it) => /^[A-Za-z0-9][A-Za-z0-9._-]*(?::[A-Za-z0-9._-]+)*$/.test(it))
    if (!sound || value.length > limits.solicitCharactersMax) return replies.parameterSyntax
    const unwanted = new Set(solicitationsRefused.map((it) => it.toLowerCase()))
    if (keywords.some((it) => unwanted.has(it.toLowerCase()))) return replies.solicitationRefused
    into.options.solicit = value
    return null
  },
}

/** RFC 2852 §4: `seconds;mode[T]`. A letter that must be back at once could never be delivered. */
function deliverBy(value: string, into: MailParameters, { nowMs }: MailParameterFacts): Reply | null {
  const match = /^([+-]?\d{1,9});([NR])(T?)$/i.exec(value)
  if (!match) return replies.parameterSyntax
  const seconds = Number(match[1])
  const mode = match[2]?.toUpperCase() === 'R' ? 'return' : 'notify'
  if (mode === 'return' && seconds <= 0) return replies.parameterSyntax
  into.options.deliverBy = { atMs: Math.max(0, nowMs + seconds * 1000), mode, ...(match[3] !== '' && { trace: true }) }
  return null
}

/** RFC 4865 §4: one of the two, within the bound; what is over already waits for nothing. */
function hold(atMs: number, into: MailParameters, { nowMs, limits }: MailParameterFacts): Reply | null {
  if (into.options.holdUntilMs !== undefined) return replies.parameterSyntax
  if (atMs > nowMs + limits.futureReleaseMaxMs) return replies.heldTooLong
  into.options.holdUntilMs = atMs
  return null
}

export function readMailParameters(
  parameters: ReadonlyMap<string, string>,
  facts: MailParameterFacts,
): MailParameters | Reply {
  const into: MailParameters = {
    smtpUtf8: false,
    eightBit: false,
    size: undefined,
    options: {},
    priorityChanged: false,
  }
  for (const [keyword, value] of parameters) {
    const row = Object.hasOwn(rows, keyword) ? rows[keyword] : undefined
    const fault = row ? row(value, into, facts) : replies.parameterUnknown
    if (fault) return fault
  }
  const { holdUntilMs, deliverBy: by } = into.options
  // RFC 4865 §4: to be back before it may leave.
  if (holdUntilMs !== undefined && by && by.atMs < holdUntilMs) return replies.parameterSyntax
  if (holdUntilMs !== undefined && holdUntilMs <= facts.nowMs) delete into.options.holdUntilMs
  return into
}
