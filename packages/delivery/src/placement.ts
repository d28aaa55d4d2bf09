// Puts one letter into mailboxes of this node, each once: whatever comes twice under one delivery id is left out.
// All of them share the bytes as they lie in the log; the letter is parsed once.
import type { AccountId } from '@skein/accounts'
import { indexMessage, type MessageIndex } from '@skein/mail'
import type { BlobRef, Mailboxes, MessageLog } from '@skein/mailboxes'
import type { Clock, Logger } from '@skein/runtime'
import { answers, answerToError, type Answer } from './answers.ts'
import type { FullMailboxes } from './full-mailboxes.ts'
import type { DeliveryLimits } from './limits.ts'
import type { QueueId } from './ports.ts'
import { isFiled, sentMailbox } from './sent-copy.ts'

export interface PlacementComponents {
  log: MessageLog
  mailboxes: Mailboxes
  full: FullMailboxes
  limits: Pick<DeliveryLimits, 'sentCopyLookBack'>
  clock: Clock
  logger: Logger
}

export interface Addressee {
  /** With the letter's id, the delivery id. */
  index: number
  accountId: AccountId
  /** His own letter, for Sent. */
  into?: 'sent'
}

export interface StoredLetter {
  id: QueueId
  blob: BlobRef
  /** All bytes of `blob`, where they are in memory anyway. */
  bytes?: Uint8Array
  /** Into the mailbox for unwanted mail, where the account has one. */
  junk?: boolean
  messageId: string
}

/** Mailboxes of one letter that are written to at the same time. */
const appendsAtOnce = 32
/** Larger letters are parsed by each mailbox, which takes care not to have many of them in memory. */
const sharedIndexBytesMax = 1024 * 1024

export class Placement {
  readonly #parts: PlacementComponents

  constructor(components: PlacementComponents) {
    this.#parts = components
  }

  /** One answer for each addressee, in their order. */
  async put(letter: StoredLetter, addressees: readonly Addressee[]): Promise<Answer[]> {
    const only = addressees[0]
    if (only && addressees.length === 1) return [await this.#append(letter, only, {})]
    const parsed = await this.#parse(letter)
    const results: Answer[] = []
    let nextAt = 0
    const worker = async (): Promise<void> => {
      while (nextAt < addressees.length) {
        const at = nextAt++
        results[at] = await this.#append(letter, addressees[at] as Addressee, parsed)
      }
    }
    await Promise.all(Array.from({ length: Math.min(appendsAtOnce, addressees.length) }, worker))
    return results
  }

  async #parse({ blob, bytes }: StoredLetter): Promise<{ index?: MessageIndex }> {
    if (blob.length > sharedIndexBytesMax) return {}
    try {
      return { index: indexMessage(bytes ?? (await this.#parts.log.read(blob))) }
    } catch (error) {
      // Each mailbox meets the same trouble, and says so in its answer.
      this.#parts.logger.error({ err: error, blob }, 'a letter could not be parsed')
      return {}
    }
  }

  async #append(
    { id, blob, bytes, junk, messageId }: StoredLetter,
    { accountId, index, into }: Addressee,
    parsed: { index?: MessageIndex },
  ): Promise<Answer> {
    const { mailboxes, full, clock, logger, limits } = this.#parts
    try {
      await using account = await mailboxes.open(accountId)
      const sent = into === 'sent' ? await sentMailbox(account) : undefined
      if (sent && (await isFiled(account, sent, messageId, limits.sentCopyLookBack))) return answers.filedBefore
      const junkMailbox = junk ? account.list().find((it) => it.specialUse === '\\Junk') : undefined
      const mailbox = sent ?? junkMailbox ?? account.byName('INBOX')
      if (!mailbox) return answers.notHere
      const internalDateMs = clock.nowMs()
      const deliveryId = `${id}.${index}`
      const flags = sent ? ['\\Seen'] : []
      const message = { blob, flags, internalDateMs, emailId: id, deliveryId, ...parsed, ...(bytes && { bytes }) }
      const [outcome] = await account.append(mailbox.id, [message])
      const { quotaBytes, usedBytes } = account.state()
      full.note(accountId, quotaBytes > 0 ? quotaBytes - usedBytes : Infinity)
      return outcome === 'duplicate' ? answers.storedBefore : answers.stored
    } catch (error) {
      const answer = answerToError(error)
      if (answer === answers.mailboxFull) full.add(accountId)
      if (answer) return answer
      logger.error({ err: error, accountId }, 'a letter could not be put into a mailbox')
      return answers.internal
    }
  }
}
