// A letter's envelope while the client tells it: MAIL opens it, RCPT adds to it (RFC 5321 §4.1.1.2, §4.1.1.3).
// Promises: what the intake says of sender and recipients is said to the client word for word.
import type { EnvelopeOptions, Intake, IntakeSource, RecipientOptions, RecipientVerdict } from '@skein/delivery'
import type { SmtpLimits } from './limits.ts'
import { type MailParameterFacts, readMailParameters } from './mail-parameters.ts'
import { readRecipientParameters } from './recipient-parameters.ts'
import { type Reply, replies, replyForError } from './replies.ts'
import { isAscii, isMailbox, parsePathCommand } from './wire/mail-path.ts'

export interface Transaction {
  from: string
  smtpUtf8: boolean
  eightBit: boolean
  options: EnvelopeOptions
  /** As announced (RFC 1870). */
  size: number | undefined
  /** The client is to hear that its MT-PRIORITY does not count (RFC 6710 §4.1). */
  priorityChanged: boolean
  /** As given. */
  recipients: string[]
  /** By place in `recipients`. */
  recipientOptions: (RecipientOptions | undefined)[]
  /** Canonical addresses, so that one named twice gets one copy. */
  known: Set<string>
}

export interface TransactionRules {
  intake: Intake
  limits: SmtpLimits
  facts(): MailParameterFacts
  source(): IntakeSource
  /** An error that was nobody's plan. */
  unexpected(error: unknown): void
}

/** @param line the whole MAIL command. */
export function openTransaction(line: string, rules: TransactionRules): Transaction | Reply {
  const parsed = parsePathCommand(line, 'MAIL FROM', rules.limits.pathBytesMax)
  if (parsed === 'parameter-syntax') return replies.parameterSyntax
  if (parsed === 'path-syntax' || (parsed.address !== '' && !isMailbox(parsed.address))) return replies.senderSyntax
  const asked = readMailParameters(parsed.parameters, rules.facts())
  if ('code' in asked) return asked
  const { smtpUtf8, eightBit, options, size, priorityChanged } = asked
  if (!smtpUtf8 && !isAscii(parsed.address)) return replies.needsSmtpUtf8
  const verdict = judge(() => rules.intake.checkSender(rules.source(), parsed.address), rules)
  if ('code' in verdict) return verdict
  const empty = { recipients: [], recipientOptions: [], known: new Set<string>() }
  return { from: parsed.address, smtpUtf8, eightBit, options, size, priorityChanged, ...empty }
}

/** @param line the whole RCPT command. @returns the refusal, or null where the recipient was taken. */
export function addRecipient(transaction: Transaction, line: string, rules: TransactionRules): Reply | null {
  const parsed = parsePathCommand(line, 'RCPT TO', rules.limits.pathBytesMax)
  if (parsed === 'parameter-syntax') return replies.parameterSyntax
  if (parsed === 'path-syntax') return replies.recipientSyntax
  const { address, parameters } = parsed
  // RFC 5321 §4.1.1.3: postmaster is the one recipient without a domain.
  if (!isMailbox(address) && address.toLowerCase() !== 'postmaster') return replies.recipientSyntax
  const options = readRecipientParameters(parameters, rules.limits, transaction.smtpUtf8)
  if (options && 'code' in options) return options
  if (!transaction.smtpUtf8 && !isAscii(address)) return replies.needsSmtpUtf8
  if (transaction.recipients.length >= rules.limits.recipientsMax) return replies.tooManyRecipients
  const { from, size } = transaction
  const verdict = judge(() => rules.intake.checkRecipient(rules.source(), address, from, size), rules)
  if ('code' in verdict) return verdict
  if (!transaction.known.has(verdict.address)) {
    transaction.known.add(verdict.address)
    transaction.recipients.push(address)
    transaction.recipientOptions.push(options)
  }
  return null
}

function judge(ask: () => RecipientVerdict, rules: TransactionRules): Reply | { address: string } {
  try {
    const verdict = ask()
    return verdict.kind === 'accepted' ? { address: verdict.address } : verdict
  } catch (error) {
    const { reply, isKnown } = replyForError(error)
    if (!isKnown) rules.unexpected(error)
    return reply
  }
}
