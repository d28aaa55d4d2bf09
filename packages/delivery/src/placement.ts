// Puts one letter into mailboxes of this node, each once: whatever comes twice under one delivery id is left out.
// A blob in a mailbox belongs to that mailbox alone, which lets go of it when the message is expunged.
import type { AccountId } from '@skein/accounts'
import type { BlobRef, Mailboxes, MessageLog } from '@skein/mailboxes'
import type { Clock, Logger } from '@skein/runtime'
import { answers, answerToError, type Answer } from './answers.ts'
import type { FullMailboxes } from './full-mailboxes.ts'
import type { QueueId } from './ports.ts'

export interface PlacementComponents {
  log: MessageLog
  mailboxes: Mailboxes
  full: FullMailboxes
  clock: Clock
  logger: Logger
}

export interface Addressee {
  /** With the letter's id, the delivery id. */
  index: number
  accountId: AccountId
}

/** Mailboxes of one letter that are written to at the same time. */
const appendsAtOnce = 32
/** Letters up to this size are copied through memory, once for all recipients. */
const copyInMemoryBytesMax = 1024 * 1024

export class Placement {
  readonly #parts: PlacementComponents

  constructor(components: PlacementComponents) {
    this.#parts = components
  }

  /**
   * @param own the blob may be given to a mailbox: nobody else needs it. Otherwise each mailbox gets a copy.
   * @returns one answer for each addressee, in their order, and whether a mailbox has `blob` itself, or may have it
   *   (a write that failed half-way): then it must not be released.
   */
  async put(
    id: QueueId,
    blob: BlobRef,
    own: boolean,
    addressees: readonly Addressee[],
  ): Promise<{ results: Answer[]; taken: boolean }> {
    const only = addressees[0]
    if (own && only && addressees.length === 1) {
      const result = await this.#append(id, blob, only)
      return { results: [result], taken: mayHaveTaken(result) }
    }
    const results: Answer[] = []
    let taken = false
    let bytes: Promise<Uint8Array> | undefined
    let nextAt = 0
    const worker = async (): Promise<void> => {
      while (nextAt < addressees.length) {
        const at = nextAt++
        const addressee = addressees[at] as Addressee
        if (own && at === 0) {
          const result = await this.#append(id, blob, addressee)
          results[at] = result
          taken = mayHaveTaken(result)
        } else results[at] = await this.#appendCopy(id, blob, () => (bytes ??= this.#parts.log.read(blob)), addressee)
      }
    }
    await Promise.all(Array.from({ length: Math.min(appendsAtOnce, addressees.length) }, worker))
    return { results, taken }
  }

  async #appendCopy(
    id: QueueId,
    blob: BlobRef,
    bytes: () => Promise<Uint8Array>,
    addressee: Addressee,
  ): Promise<Answer> {
    const { log } = this.#parts
    let copy: BlobRef
    try {
      copy = blob.length <= copyInMemoryBytesMax ? await log.append([await bytes()]) : await this.copyOf(blob)
    } catch (error) {
      return this.#answer(error, addressee.accountId)
    }
    const result = await this.#append(id, copy, addressee)
    if (!mayHaveTaken(result)) log.release(copy)
    return result
  }

  /** A blob of its own with the same bytes. */
  async copyOf(blob: BlobRef, start = 0): Promise<BlobRef> {
    const writer = this.#parts.log.writer()
    try {
      for await (const chunk of this.#parts.log.stream(blob, start)) await writer.write(chunk)
      return await writer.finish()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async #append(id: QueueId, blob: BlobRef, { accountId, index }: Addressee): Promise<Answer> {
    const { mailboxes, full, clock } = this.#parts
    try {
      await using account = await mailboxes.open(accountId)
      const inbox = account.byName('INBOX')
      if (!inbox) return answers.notHere
      const internalDateMs = clock.nowMs()
      const message = { blob, flags: [], internalDateMs, emailId: id, deliveryId: `${id}.${index}` }
      const [outcome] = await account.append(inbox.id, [message])
      full.delete(accountId)
      return outcome === 'duplicate' ? answers.storedBefore : answers.stored
    } catch (error) {
      return this.#answer(error, accountId)
    }
  }

  #answer(error: unknown, accountId: AccountId): Answer {
    const answer = answerToError(error)
    if (answer === answers.mailboxFull) this.#parts.full.add(accountId)
    if (answer) return answer
    this.#parts.logger.error({ err: error, accountId }, 'a letter could not be put into a mailbox')
    return answers.internal
  }
}

/** Only what surely left the mailbox as it was gives the bytes back; better some bytes lost than a message. */
function mayHaveTaken(answer: Answer): boolean {
  return answer !== answers.storedBefore && answer !== answers.mailboxFull && answer !== answers.notHere
}
