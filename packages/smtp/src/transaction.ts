// A letter's envelope while the client tells it: MAIL opens it, RCPT adds to it (RFC 5321 §4.1.1.2, §4.1.1.3).
// Promises: what the intake says of sender and recipients is said to the client word for word.
import type { Intake, IntakeSource, RecipientVerdict } from '@skein/delivery'
import type { SmtpLimits } from './limits.ts'
import { type Reply, replies, replyForError } from './replies.ts'
import { type PathCommand, isAscii, isMailbox, parsePathCommand } from './wire/mail-path.ts'

export interface Transaction {
  from: string
  smtpUtf8: boolean
  eightBit: boolean
  /** As given. */
  recipients: string[]
  /** Canonical addresses, so that one named twice gets one copy. */
  known: Set<string>
}

export interface TransactionRules {
  intake: Intake
  limits: SmtpLimits
  offersAuth: boolean
  source(): IntakeSource
  /** An error that was nobody's plan. */
  unexpected(error: unknown): void
}

/** @param line the whole MAIL command. */
export function openTransaction(line: string, rules: TransactionRules): Transaction | Reply {
  const parsed = parsePathCommand(line, 'MAIL FROM', rules.limits.pathBytesMax)
  if (parsed === 'parameter-syntax') return replies.parameterSyntax
  if (parsed === 'path-syntax' || (parsed.address !== '' && !isMailbox(parsed.address))) return replies.senderSyntax
  const fault = checkMailParameters(parsed, rules)
  if (fault) return fault
  const smtpUtf8 = parsed.parameters.has('SMTPUTF8')
  if (!smtpUtf8 && !isAscii(parsed.address)) return replies.needsSmtpUtf8
  const verdict = judge(() => rules.intake.checkSender(rules.source(), parsed.address), rules)
  if ('code' in verdict) return verdict
  const eightBit = parsed.parameters.get('BODY')?.toUpperCase() === '8BITMIME'
  return { from: parsed.address, smtpUtf8, eightBit, recipients: [], known: new Set() }
}

function checkMailParameters({ parameters }: PathCommand, { limits, offersAuth }: TransactionRules): Reply | null {
  for (const [keyword, value] of parameters) {
    switch (keyword) {
      case 'SIZE':
        // RFC 1870 §3.
        if (!/^\d{1,20}$/.test(value)) return replies.parameterSyntax
        if (Number(value) > limits.messageBytesMax) return replies.messageTooLarge
        break
      case 'BODY':
        if (!/^(7BIT|8BITMIME)$/i.test(value)) return replies.parameterSyntax
        break
      case 'SMTPUTF8':
        if (value !== '') return replies.parameterSyntax
        break
      case 'AUTH':
        // RFC 4954 §5: to be understood where AUTH is offered; whom a relay names means nothing here.
        if (!offersAuth || value === '') return replies.parameterUnknown
        break
      default:
        return replies.parameterUnknown
    }
  }
  return null
}

/** @param line the whole RCPT command. @returns the refusal, or null where the recipient was taken. */
export function addRecipient(transaction: Transaction, line: string, rules: TransactionRules): Reply | null {
  const parsed = parsePathCommand(line, 'RCPT TO', rules.limits.pathBytesMax)
  if (parsed === 'parameter-syntax') return replies.parameterSyntax
  if (parsed === 'path-syntax') return replies.recipientSyntax
  const { address, parameters } = parsed
  // RFC 5321 §4.1.1.3: postmaster is the one recipient without a domain.
  if (!isMailbox(address) && address.toLowerCase() !== 'postmaster') return replies.recipientSyntax
  if (parameters.size > 0) return replies.parameterUnknown
  if (!transaction.smtpUtf8 && !isAscii(address)) return replies.needsSmtpUtf8
  if (transaction.recipients.length >= rules.limits.recipientsMax) return replies.tooManyRecipients
  const verdict = judge(() => rules.intake.checkRecipient(rules.source(), address, transaction.from), rules)
  if ('code' in verdict) return verdict
  if (!transaction.known.has(verdict.address)) {
    transaction.known.add(verdict.address)
    transaction.recipients.push(address)
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
