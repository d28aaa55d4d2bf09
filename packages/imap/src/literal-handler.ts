// Decides on each literal that a client announces: kept in memory, streamed to the message log, or refused.
// Promises: what no command takes over is let go; a refused literal that comes all the same is read past, not kept.
import type { BlobWriter } from '@skein/mailboxes'
import { assert } from '@skein/runtime'
import type { ImapServices } from './commands/command.ts'
import type { ImapLimits } from './limits.ts'
import { MessageReceiver, releaseMessages } from './message-receiver.ts'
import type { Output } from './output.ts'
import { bad, formatReply } from './replies.ts'
import type { Reply } from './replies.ts'
import type { CommandDecoder } from './wire/command-decoder.ts'
import type { CommandPart, LiteralAnnouncement } from './wire/literal.ts'

export interface LiteralSession {
  readonly services: ImapServices
  readonly limits: ImapLimits
  readonly loggedIn: boolean
  readonly commandLineBytesMax: number
  readonly out: Output
  /** What the command that is being read wants done with the literal; the tag goes into `tag`. */
  decide(parts: readonly CommandPart[], announcement: LiteralAnnouncement): { tag: string; decision: LiteralDecision }
  /** What a failure is answered with. */
  failure(error: unknown): Reply
  countBad(): void
  leave(text: string): void
  logError(error: unknown, message: string): void
}

export type LiteralDecision = BlobWriter | 'hold' | Reply

export class LiteralHandler {
  readonly #session: LiteralSession
  readonly #decoder: CommandDecoder
  #receiver: MessageReceiver | undefined
  /** Tag of the command whose literal came last. */
  #tag = '*'
  /** The answer to a command whose literal was refused, once that has been read past. */
  #refusal: string | undefined

  constructor(session: LiteralSession, decoder: CommandDecoder) {
    this.#session = session
    this.#decoder = decoder
  }

  announced(parts: readonly CommandPart[], announcement: LiteralAnnouncement): void {
    const { tag, decision } = this.#session.decide(parts, announcement)
    this.#tag = tag
    if (decision === 'hold') {
      if (announcement.bytes > this.#session.commandLineBytesMax) {
        return this.#refuse(bad('The literal is too long'), parts, announcement)
      }
      this.#decoder.hold()
    } else if ('status' in decision) {
      return this.#refuse(decision, parts, announcement)
    } else {
      this.#receiver = new MessageReceiver(decision, parts)
      this.#decoder.stream()
    }
    if (announcement.synchronising) this.#session.out.text('+ OK\r\n')
  }

  #refuse(reply: Reply, parts: readonly CommandPart[], announcement: LiteralAnnouncement): void {
    this.release(parts)
    const { limits, loggedIn } = this.#session
    const discardBytesMax = loggedIn ? limits.literalDiscardBytesMax : limits.preAuthDiscardBytesMax
    if (!announcement.synchronising && announcement.bytes > discardBytesMax) {
      // RFC 7888 §4: rather than reading all of it.
      return this.#session.leave('[TOOBIG] The literal is too long')
    }
    this.#refusal = formatReply(this.#tag, reply)
    if (reply.status === 'BAD') this.#session.countBad()
    this.#decoder.refuse()
  }

  /** The command whose literal was refused has been read past. */
  discarded(): void {
    this.#session.out.text(this.#refusal ?? '')
    this.#refusal = undefined
  }

  async data(chunk: Buffer, last: boolean): Promise<void> {
    const receiver = this.#receiver
    assert(receiver !== undefined, 'a streamed literal has a receiver')
    try {
      await receiver.take(chunk)
    } catch (error) {
      this.#receiver = undefined
      this.release(this.#decoder.unfinished)
      this.#refusal = formatReply(this.#tag, this.#session.failure(error))
      this.#decoder.abandon()
      await receiver.abort()
      return
    }
    if (!last) return
    this.#receiver = undefined
    this.#decoder.stored(receiver.finish())
  }

  /** Lets go of the messages of a command that never ran. */
  release(parts: readonly CommandPart[]): void {
    const { log } = this.#session.services
    releaseMessages(parts, log, (error) => this.#session.logError(error, 'a message could not be written'))
  }

  /** Lets go of what a broken connection leaves half done. */
  async abort(): Promise<void> {
    this.release(this.#decoder.unfinished)
    await this.#receiver?.abort()
  }
}
