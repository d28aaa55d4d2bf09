// One letter of a session, from its envelope to its last reply: the mail transaction (RFC 5321 §3.3), and the bytes, which come by
// DATA or in chunks by BDAT (RFC 3030).
// Promises: the bytes of a chunk are read as such, whatever the answer to it; a letter that is cut off leaves nothing.
import type { IntakeSource } from '@skein/delivery'
import { type BdatCommand, ChunkedLetter, UnwantedChunk } from './chunked-letter.ts'
import type { SmtpHouse, SmtpRole } from './house.ts'
import { LetterReceiver } from './letter-receiver.ts'
import { type Reply, replies, replyForError } from './replies.ts'
import type { SessionDeadlines } from './session-deadlines.ts'
import type { Transaction } from './transaction.ts'
import type { DataSink } from './wire/session-reader.ts'

export interface LetterSession {
  house: SmtpHouse
  role: SmtpRole
  deadlines: SessionDeadlines
  source(smtpUtf8: boolean): IntakeSource
  say(reply: Reply): void
  /** 250, with a status code at the head of the text. */
  accept(text: string): void
  closeSaying(reply: Reply): void
  /** Before the replies are sent. */
  letterIsOver(result: { queueId: string; junk?: boolean } | { refused: Reply }): void
  unexpected(error: unknown): void
}

export class LetterExchange {
  readonly #session: LetterSession
  /** The envelope that is open. */
  transaction: Transaction | null = null
  #receiver: LetterReceiver | null = null
  /** The letter of `#receiver` comes by BDAT, and its last chunk has not. */
  #chunked: ChunkedLetter | null = null
  #chunkBytesDrained = 0

  constructor(session: LetterSession) {
    this.#session = session
  }

  /** Set while the bytes of a letter are on their way. */
  get receiver(): LetterReceiver | null {
    return this.#receiver
  }

  get isInChunks(): boolean {
    return this.#chunked !== null
  }

  /** RFC 5321 §4.1.4: the transaction that is open is ended; a letter that is complete goes on. */
  reset(): void {
    this.transaction = null
    if (this.#chunked) this.#forgetChunks()?.abandon()
  }

  /** The client is gone. */
  abandon(): void {
    const receiver = this.#receiver
    this.#receiver = null
    receiver?.abandon()
  }

  /** @param line the whole DATA command. @returns where the message goes, or the refusal. */
  data(line: string): LetterReceiver | Reply {
    const { transaction } = this
    if (line.trim().length > 4) return replies.noParameters
    if (!transaction) return replies.needMail
    if (transaction.recipients.length === 0) return replies.needRecipient
    if (this.#chunked) return replies.inChunks
    // RFC 3030 §3.
    if (transaction.options.binary) return replies.binaryNeedsBdat
    this.transaction = null
    return this.#begin(transaction)
  }

  /** Where the chunk's bytes go, which follow at once (RFC 3030 §2). */
  chunk(bdat: BdatCommand): DataSink {
    const { accept, say, deadlines } = this.#session
    const letter = this.#chunked ?? this.#beginChunks()
    if ('code' in letter) return this.#unwantedChunk(letter)
    this.#chunked = bdat.isLast ? null : letter
    if (bdat.isLast) this.transaction = null
    return letter.chunk(bdat, (refused) => {
      if (refused) {
        this.#forgetChunks()?.abandon()
        this.transaction = null
        say(refused)
      } else accept(`2.0.0 ${bdat.bytes} octets received`)
      deadlines.commandTurn()
    })
  }

  #beginChunks(): ChunkedLetter | Reply {
    const { transaction } = this
    if (!transaction) return replies.needMail
    if (transaction.recipients.length === 0) return replies.needRecipient
    const receiver = this.#begin(transaction)
    if ('code' in receiver) return receiver
    return new ChunkedLetter(receiver, transaction.options.binary ? 'keep' : this.#session.house.bareLineEnds)
  }

  /** The letter that came in chunks is over, or was never to be. */
  #forgetChunks(): LetterReceiver | null {
    const receiver = this.#receiver
    this.#chunked = null
    this.#receiver = null
    this.#session.deadlines.letterEnds()
    return receiver
  }

  #unwantedChunk(refusal: Reply): DataSink {
    const { house, deadlines, say, closeSaying } = this.#session
    const answer = () => {
      say(refusal)
      deadlines.commandTurn()
    }
    return new UnwantedChunk(answer, (bytes) => {
      deadlines.dataTurn()
      this.#chunkBytesDrained += bytes
      if (this.#chunkBytesDrained <= house.limits.drainBytesMax) return true
      closeSaying(refusal)
      return false
    })
  }

  #begin(transaction: Transaction): LetterReceiver | Reply {
    const { house, role, deadlines, source, unexpected } = this.#session
    const { from, recipients, smtpUtf8, eightBit, options, recipientOptions } = transaction
    try {
      const writer = house.intake.begin({
        source: source(smtpUtf8),
        from,
        recipients,
        smtpUtf8,
        eightBit,
        receivedMs: house.clock.nowMs(),
        ...(Object.keys(options).length > 0 && { options }),
        ...(recipientOptions.some((it) => it !== undefined) && { recipientOptions }),
      })
      // RFC 2033 §4.2: LMTP answers once for each recipient.
      const receiver = this.#receive(writer, role === 'lmtp' ? recipients.length : 1)
      this.#receiver = receiver
      deadlines.letterBegins()
      return receiver
    } catch (error) {
      const { reply, isKnown } = replyForError(error)
      if (!isKnown) unexpected(error)
      return reply
    }
  }

  #receive(writer: ConstructorParameters<typeof LetterReceiver>[0], answers: number): LetterReceiver {
    const { house, deadlines, say, accept, closeSaying, letterIsOver, unexpected } = this.#session
    return new LetterReceiver(writer, house.limits, {
      progress: () => deadlines.dataTurn(),
      complete: () => {
        deadlines.ourTurn()
        deadlines.letterEnds()
      },
      done: (result) => {
        this.#receiver = null
        deadlines.letterEnds()
        letterIsOver(result)
        deadlines.commandTurn()
        for (let i = 0; i < answers; i++) {
          if ('refused' in result) say(result.refused)
          else accept(`2.0.0 taken, queued as ${result.queueId}`)
        }
      },
      overrun: (refused) => {
        this.#receiver = null
        closeSaying(refused)
      },
      unexpected,
    })
  }
}
